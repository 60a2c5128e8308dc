"""What can go wrong, provoked in a real Chromium: a clear sentence, a button that mends it, never a frozen canvas."""

import io
import re
import wave

import cv2
import numpy as np
import pytest
from drawn import frames_out
from playwright.sync_api import expect
from waiting import settled_address, until

IN_USE = """
navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("Could not start video source", "NotReadableError");
};
"""
# Keeps the track and the workers within reach, so that a test can pull the plug.
REACH = """
globalThis.tracks = [];
globalThis.workers = {};
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await open(wish);
  tracks.push(...stream.getTracks());
  return stream;
};
globalThis.Worker = class extends Worker {
  constructor(address, options) {
    super(address, options);
    workers[options.name] = this;
  }
};
"""


def told(opened, title):
    """Wait for a message and give its text."""
    opened.page.wait_for_selector('html[data-state="error"]', state="attached")
    expect(opened.page.get_by_role("heading", name=title)).to_be_visible()
    return opened.page.inner_text("body")


def goes_on_with(opened, wait_state, button):
    opened.page.get_by_role("button", name=button).click()
    opened.page.wait_for_selector('html:not([data-state="error"])', state="attached")
    wait_state(opened.page, "running")


@pytest.mark.parametrize(
    ("camera", "script", "title"),
    [
        ("refused", "", "The camera was refused"),
        ("none", "", "No camera was found"),
        ("fake", IN_USE, "The camera is in use"),
    ],
)
def test_a_camera_that_cannot_be_had_says_why_and_offers_the_sample(visit, wait_state, camera, script, title):
    opened = visit("?source=camera&backend=wasm", camera=camera, script=script)
    told(opened, title)
    goes_on_with(opened, wait_state, "Use the sample picture")
    assert not opened.errors


def test_a_camera_unplugged_in_mid_run_says_so_and_can_come_back(visit, wait_state):
    opened = visit("?source=camera&backend=wasm", script=REACH)
    wait_state(opened.page, "running")
    # The track ends as it does when the plug is pulled: its frames stop, and the browser says so.
    opened.page.evaluate("tracks.forEach((track) => { track.stop(); track.dispatchEvent(new Event('ended')); })")
    told(opened, "The camera is gone")
    goes_on_with(opened, wait_state, "Try again")


def test_no_webgpu_says_so_and_runs_on_the_processor(visit, wait_state):
    opened = visit("?source=sample&backend=webgpu", webgpu=False)
    told(opened, "No WebGPU here")
    goes_on_with(opened, wait_state, "Run on the processor")
    until(opened.page, "bodylens.stats().backend === 'wasm'")
    assert "backend=wasm" in settled_address(opened.page)


def test_a_model_that_was_not_prepared_says_how_to_get_it(visit, wait_state):
    opened = visit("?backend=wasm", script="")
    page = opened.page

    def without_models(route):
        response = route.fetch()
        models = response.json()
        for model in models:
            if model["name"] == "selfie-general":
                model.update(
                    url=None, why="it has not been fetched yet", fetch="Run `bodylens models fetch selfie-general`."
                )
        route.fulfill(response=response, json=models)

    page.route("**/catalogue.json", without_models)
    page.goto(page.url + "&source=sample")
    text = told(opened, "The model is not on this site")
    assert "bodylens models fetch selfie-general" in text
    page.unroute("**/catalogue.json")
    goes_on_with(opened, wait_state, "Try again")


def test_another_model_is_loaded_beside_the_one_that_goes_on_and_one_that_cannot_be_had_is_refused(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    page = opened.page
    wait_state(page, "running")
    held = []
    page.route("**/models/**/movenet-lightning*", lambda route: held.append(route))
    page.evaluate("bodylens.settings.set('model', 'movenet-lightning')")
    until(page, "document.getElementById('notice').textContent === 'Loading MoveNet Lightning…'")
    assert page.evaluate("[document.documentElement.dataset.state, bodylens.latest()]") == ["loading", None]
    while not held:
        page.wait_for_timeout(20)
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 3)
    assert page.evaluate("[document.documentElement.dataset.state, bodylens.latest()]") == ["loading", None]
    expect(page.locator("#cover")).to_be_hidden()
    for route in held:
        route.continue_()
    wait_state(page, "running")
    assert len(page.evaluate("bodylens.latest().people[0].keypoints")) == 17
    expect(page.locator("#notice")).to_be_hidden()
    # What the site does not have costs nothing, nor does a server that is gone.
    page.evaluate("bodylens.settings.set('model', 'movenet-lighting')")
    expect(page.locator("#notice")).to_contain_text("did you mean movenet-lightning")
    page.route("**/models/**/posenet-050*", lambda route: route.abort())
    page.evaluate("bodylens.settings.set('model', 'posenet-050')")
    expect(page.locator("#notice")).to_contain_text(
        re.compile(
            "The server cannot be reached: the model posenet-050.* could not be loaded.*MoveNet Lightning goes on"
        )
    )
    wait_state(page, "running")
    assert page.evaluate("bodylens.settings.get('model')") == "movenet-lightning"
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 3)
    page.unroute("**/models/**/posenet-050*")
    page.locator("#notice").get_by_role("button", name="Try again").click()
    until(page, "bodylens.settings.get('model') === 'posenet-050'")
    wait_state(page, "running")
    # What it was before is released once the new one has found something.
    until(page, "bodylens.stats().sessions === 1")


def test_a_worker_that_dies_is_started_again_once_by_itself(visit, wait_state):
    opened = visit("?source=sample&backend=wasm", script=REACH)
    page = opened.page
    wait_state(page, "running")
    # Nothing tells the page of such an end: no message, no event.
    started = page.evaluate("() => { workers.engine.terminate(); return performance.now(); }")
    expect(page.locator("#notice")).to_contain_text("The engine stopped and was started again.")
    took = page.evaluate("performance.now()") - started
    print(f"\nan engine that died was noticed and started again after {took:.0f} ms")
    wait_state(page, "running")
    page.evaluate("workers.python.terminate()")
    told(opened, "The engine has crashed")
    goes_on_with(opened, wait_state, "Restart")
    # A call to a script that died is rejected, and the next call has a new one.
    said = page.evaluate(
        """async () => {
          await bodylens.python("1");
          const waiting = bodylens.python("while True: pass").catch((error) => error.message);
          workers.script.terminate();
          return [await waiting, await bodylens.python("6 * 7")];
        }"""
    )
    assert "Python has ended" in said[0]
    assert said[1] == 42


def test_a_python_that_dies_is_started_again_beside_the_engine(visit, wait_state):
    opened = visit("?source=sample&backend=wasm", script=REACH)
    page = opened.page
    wait_state(page, "running")
    page.evaluate("workers.engine.same = true; workers.python.terminate()")
    expect(page.locator("#notice")).to_contain_text("Python stopped and was started again.")
    wait_state(page, "running")
    assert page.evaluate("workers.engine.same") is True
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 3)
    # A worker that only says that it failed is restarted as well.
    page.evaluate(
        "workers.python.dispatchEvent(new ErrorEvent('error', { message: 'out of memory', cancelable: true }))"
    )
    assert "python: out of memory" in told(opened, "The engine has crashed")
    goes_on_with(opened, wait_state, "Restart")


def test_a_server_that_is_gone_is_called_that(visit, wait_state):
    opened = visit("?backend=wasm")
    page = opened.page
    page.route("**/models/**/selfie-general*", lambda route: route.abort())
    page.goto(page.url + "&source=sample")
    text = told(opened, "The server cannot be reached")
    assert "the model selfie-general could not be loaded" in text
    assert "Failed to fetch" not in text
    page.unroute("**/models/**/selfie-general*")
    goes_on_with(opened, wait_state, "Try again")


def test_a_worker_that_cannot_be_loaded_says_so_and_restarts(visit, wait_state):
    opened = visit("?backend=wasm")
    page = opened.page
    page.route("**/engine/worker.js", lambda route: route.abort())
    page.goto(page.url + "&source=sample")
    told(opened, "The engine has crashed")
    page.unroute("**/engine/worker.js")
    goes_on_with(opened, wait_state, "Restart")


def test_an_unknown_model_in_a_link_is_named(visit):
    opened = visit("?source=sample&model=selfie-genera&backend=wasm")
    opened.page.wait_for_selector('html[data-state="error"]', state="attached")
    assert "selfie-genera" in opened.page.inner_text("body")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("max_poses=2.5", "max_poses must be a whole number of at least 1, not 2.5"),
        ("max_poses=many", "max_poses must be a whole number of at least 1, not 'many'"),
        ("min_tracking_confidence=", "min_tracking_confidence must be a number from 0 to 1, not ''"),
        ("static_image_mode=no", "static_image_mode must be True or False, not 'no'"),
    ],
)
def test_an_option_out_of_range_in_a_link_is_told_with_its_range(visit, option, sentence):
    opened = visit(f"?source=sample&model=blazepose-lite&backend=wasm&{option}")
    opened.page.wait_for_selector('html[data-state="error"]', state="attached", timeout=60000)
    assert sentence in opened.page.inner_text("body")


def test_a_frame_that_fails_costs_that_frame_alone(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    page = opened.page
    wait_state(page, "running")
    # A script that asks for what cannot be done does not disturb the tracking.
    told_off = page.evaluate(
        """() => bodylens.python(`
import bodylens
from bodylens.browser import bodylens_engine
await bodylens_engine.infer(0, 99, "[]", False)
`).catch((error) => error.message)"""
    )
    assert "made way" in told_off
    assert page.evaluate("document.documentElement.dataset.state") == "running"


def sound():
    """Give a second of silence, as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 8000, "NONE", "not compressed"))
        out.writeframes(bytes(16000))
    return file.getvalue()


@pytest.fixture
def film(tmp_path):
    """Give a short video of noise, as a file."""
    path = tmp_path / "noise.webm"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), 20, (160, 120))
    noise = np.random.default_rng(0)
    for _ in range(30):
        video.write(noise.integers(0, 255, (120, 160, 3), np.uint8))
    video.release()
    return path.read_bytes()


def choose(page, name, mime, content):
    page.set_input_files("#file", {"name": name, "mimeType": mime, "buffer": content})


def test_a_file_of_sound_alone_says_so_and_offers_the_sample(visit, wait_state):
    opened = visit("?backend=wasm")
    choose(opened.page, "song.webm", "video/webm", sound())
    told(opened, "This file holds no pictures")
    goes_on_with(opened, wait_state, "Use the sample picture")


def test_a_video_that_is_damaged_further_on_says_so(visit, wait_state, film):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    choose(opened.page, "noise.webm", "video/webm", film[: len(film) // 8])
    assert "The video is damaged: it cannot be decoded beyond" in told(opened, "This file cannot be shown")
    goes_on_with(opened, wait_state, "Use the sample picture")


def test_a_video_whose_name_does_not_say_so_is_shown(visit, wait_state, film):
    opened = visit("?backend=wasm")
    choose(opened.page, "noise", "", film)
    wait_state(opened.page, "running")
    assert opened.page.inner_text("#source-name") == "noise"
    choose(opened.page, "letter", "", b"Dear Sir or Madam")
    told(opened, "This file cannot be shown")
    assert opened.page.locator("#source-name").is_hidden()


def test_an_address_of_another_site_is_not_loaded(visit):
    opened = visit("?source=https://example.org/picture.jpg&backend=wasm")
    told(opened, "This picture lies on another site")
    assert not [request for request in opened.requests if "example.org" in request.url.split("?")[0]]
