"""What a person sees and touches, with workers that only write down what they hear: the page alone is tested here."""

import json
import urllib.parse

import cv2
import numpy as np
import pytest
from waiting import settled_address, until

# Runs before the page's program: workers that do nothing, and a clock that can be put forward. By itself it hardly
# goes, so that on no machine the page takes such workers for frozen.
WORKERS = """
  globalThis.workers = {};
  const RealWorker = Worker;
  globalThis.Worker = class {
    constructor(url, { name }) {
      if (name === "decoder") return new RealWorker(url, { type: "module" });
      Object.assign(this, { name, heard: [], alive: true, count: (workers[name]?.count ?? 0) + 1 });
      workers[name] = this;
    }
    postMessage(message) {
      this.heard.push(message);
      if (message.type === "source" && !globalThis.busy) this.say({ type: "sourced" });
      if (message.type === "start" && this.name === "engine") {
        setTimeout(() => this.say({ type: "features", trackProcessor: globalThis.trackProcessor ?? false }));
      }
    }
    terminate() { this.alive = false; }
    say(data) { if (this.alive) this.onmessage({ data }); }
    crash(message) { this.onerror({ message, preventDefault() {} }); }
  };
  globalThis.boot = () => {
    workers.engine.say({ type: "ready", backend: "wasm", threads: 2 });
    workers.python.say({ type: "booted", times: {}, heap: 1 });
  };
  globalThis.show = (index = 0) =>
    workers.engine.say({
      type: "people",
      people: Float64Array.of(index, 0.5, 640, 480, 0, 0, 2, 0, 0),
      model: bodylens.settings.get("model"),
    });
  globalThis.sent = (type, name = "engine") => (workers[name]?.heard ?? []).filter((message) => message.type === type);
  globalThis.source = () => sent("source").at(-1)?.source;
  const now = performance.now.bind(performance);
  globalThis.ahead = 0;
  performance.now = () => now() / 100 + ahead;
"""


@pytest.fixture
def opened(visit):
    """Open the page with such workers."""

    def opened(query="", script="", **options):
        return visit(query, script=WORKERS + script, **options).page

    return opened


def state(page, wanted):
    page.wait_for_selector(f"html[data-state={wanted}]", state="attached")


def running(page):
    """Let the workers boot and one picture be finished."""
    until(page, "Boolean(source())")
    page.evaluate("() => { boot(); show(); }")
    state(page, "running")


def query(page):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(settled_address(page)).query))


def png(height=30, width=40):
    return bytes(cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1])


def test_the_first_visit_shows_what_this_is_and_boots_meanwhile(opened):
    page = opened()
    assert page.get_by_role("button", name="Start camera").is_visible()
    assert page.get_by_role("button", name="Try the sample picture").is_visible()
    state(page, "loading")
    page.evaluate("() => workers.python.say({ type: 'progress', part: 'python', loaded: 4e6, total: 13.1e6 })")
    assert "4.0 of 13.1 MB" in page.inner_text("#progress")
    page.evaluate("() => boot()")
    state(page, "ready")
    assert not page.is_visible("#progress")
    assert page.evaluate("() => source() ?? null") is None


def test_a_link_with_a_source_starts_straight_away(opened):
    page = opened("?source=sample")
    until(page, "source()?.kind === 'picture'")
    assert page.evaluate("() => [source().bitmap.width, source().bitmap.height]") == [512, 512]
    running(page)
    assert not page.is_visible("#cover")
    assert page.evaluate("() => bodylens.latest()") == {
        "frame": {"index": 0, "time": 0.5, "width": 640, "height": 480},
        "people": [],
    }


def test_the_controls_are_in_the_address_and_the_address_sets_the_controls(opened):
    page = opened("?source=sample&effect=mask&heads=2")
    running(page)
    page.get_by_role("radio", name="Blur").check()
    page.locator("input[name=blur]").fill("30")
    page.locator("input[name=mirror]").check()
    page.locator("input[name=smoothing]").uncheck()
    said = query(page)
    assert said == {
        **{"source": "sample", "model": "selfie-general", "backend": "auto", "effect": "blur", "mirror": "1"},
        **{"smoothing": "0", "blur": "30", "edge": "0.5", "softness": "0.2", "skeleton": "1", "heads": "2"},
    }
    view = page.evaluate("() => sent('view').at(-1).view")
    assert (view["effect"], view["blur"], view["mirror"]) == ("blur", 30, True)
    options = page.evaluate("() => sent('model', 'python').at(-1).options")
    assert (options["smoothing"], options["heads"]) == (False, 2)

    again = opened("?" + urllib.parse.urlencode(said))
    running(again)
    assert query(again) == said
    assert again.locator("input[name=blur]").input_value() == "30"
    assert again.locator("input[name=effect]:checked").input_value() == "blur"
    assert again.evaluate("() => sent('view').at(-1).view.blur") == 30


def test_nonsense_in_the_address_is_passed_over(opened):
    page = opened("?source=sample&effect=fireworks&blur=much&color=red&backend=quantum")
    running(page)
    assert page.locator("input[name=effect]:checked").input_value() == "mask"
    assert page.locator("select[name=backend]").input_value() == "auto"


def refuse(name):
    return f"""navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("why", "{name}"); }};"""


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NotAllowedError", "The camera was refused"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera is in use"),
        ("OverconstrainedError", "The camera cannot do what was asked"),
        ("StrangeError", "The camera did not start"),
    ],
)
def test_each_way_that_a_camera_fails_has_its_sentence_and_a_way_on(opened, name, title):
    page = opened("?source=camera", script=refuse(name))
    state(page, "error")
    alert = page.get_by_role("alert")
    assert title in alert.inner_text()
    assert "why" in alert.inner_text()
    alert.get_by_role("button", name="Use the sample picture").click()
    running(page)
    assert query(page)["source"] == "sample"


def test_after_a_refusal_the_camera_can_be_tried_again(opened):
    once = "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
    script = once + refuse("NotAllowedError") + "globalThis.allow = () => (navigator.mediaDevices.getUserMedia = real);"
    page = opened("?source=camera", script=script)
    state(page, "error")
    page.evaluate("() => { allow(); }")
    page.get_by_role("button", name="Try again").click()
    running(page)
    assert page.evaluate("() => source().kind") == "stream"


def test_a_plain_http_address_gets_no_camera_and_is_told_why(opened):
    hide = """
      Object.defineProperty(navigator, "mediaDevices", { value: undefined });
      Object.defineProperty(globalThis, "isSecureContext", { value: false });
    """
    page = opened("?source=camera", script=hide)
    state(page, "error")
    assert "The camera needs a secure address" in page.get_by_role("alert").inner_text()


def test_a_camera_that_is_unplugged_is_told_of_and_can_come_back(opened):
    keep = """
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => (globalThis.stream = await real(wish));
    """
    page = opened("?source=camera", script=keep)
    running(page)
    page.evaluate("() => { stream.getVideoTracks()[0].dispatchEvent(new Event('ended')); }")
    state(page, "error")
    assert "The camera is gone" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Try again").click()
    running(page)
    ended = "() => workers.engine.say({ type: 'ended' })"  # the stream may say it first
    page.evaluate(ended)
    assert page.evaluate("() => document.documentElement.dataset.state") == "running"  # another camera's, closed before
    page.evaluate("() => { stream.getVideoTracks()[0].stop(); }")
    page.evaluate(ended)
    state(page, "error")
    assert "The camera is gone" in page.get_by_role("alert").inner_text()


def test_a_camera_is_mirrored_and_a_picture_is_not_unless_the_person_says_otherwise(opened):
    page = opened("?source=camera")
    running(page)
    assert page.locator("input[name=mirror]").is_checked()
    page.locator("input[name=source][value=sample]").check()
    until(page, "source()?.kind === 'picture'")
    running(page)
    until(page, "!document.querySelector('input[name=mirror]').checked")
    page = opened("?source=camera&mirror=0")
    running(page)
    assert not page.locator("input[name=mirror]").is_checked()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("", "stream"),
        ("delete globalThis.MediaStreamTrackProcessor; globalThis.trackProcessor = true;", "track"),
        ("delete globalThis.MediaStreamTrackProcessor;", "pushed"),
    ],
)
def test_frames_go_the_shortest_way_that_the_browser_has(opened, script, kind):
    page = opened("?source=camera", script=script)
    running(page)
    assert page.evaluate("() => source().kind") == kind


@pytest.mark.parametrize("lacking", ["", "delete globalThis.VideoFrame;"])
def test_pushed_frames_come_only_when_they_are_wanted(opened, lacking):
    page = opened("?source=camera", script="delete globalThis.MediaStreamTrackProcessor;" + lacking)
    running(page)
    page.wait_for_timeout(300)
    before = page.evaluate("() => sent('frame').length")
    assert before <= 1  # a source that starts is asked for one
    for wanted in range(1, 4):
        page.evaluate("() => workers.engine.say({ type: 'wanted' })")
        until(page, f"sent('frame').length === {before + wanted}")
    page.wait_for_timeout(200)
    assert page.evaluate("() => sent('frame').length") == before + 3
    assert (
        page.evaluate("() => { const { frame } = sent('frame').at(-1); return frame.displayWidth ?? frame.width; }")
        == 640
    )


@pytest.mark.parametrize(
    ("code", "title", "button"),
    [
        ("no-webgpu", "No WebGPU here", "Run on the processor"),
        ("no-webgl", "No WebGL here", "Run on the processor"),
        ("no-webgl2", "The picture cannot be drawn", "Reload the page"),
        ("model-missing", "The model is not on this site", "Try again"),
        ("python", "Python did not start", "Restart"),
        ("frame", "The pictures cannot be worked on", "Restart"),
        ("options", "This setting is not possible", "Back to the start"),
        ("provider-wrong", "The graphics card gives wrong answers", "Run on the processor"),
        ("network", "The neural network did not load", "Restart"),
        ("never heard of", "Something went wrong", "Restart"),
    ],
)
def test_each_failure_of_a_worker_has_its_sentence_and_a_button(opened, code, title, button):
    page = opened("?source=sample")
    running(page)
    page.evaluate("(code) => workers.engine.say({ type: 'error', code, message: 'Run this: x.', action: '' })", code)
    state(page, "error")
    alert = page.get_by_role("alert")
    assert title in alert.inner_text()
    assert "Run this: x." in alert.inner_text()
    assert alert.get_by_role("button", name=button).is_visible()


def test_without_webgpu_the_engine_alone_starts_anew_on_the_processor(opened):
    page = opened("?source=sample&backend=webgpu")
    until(page, "Boolean(source())")
    canvas = page.evaluate_handle("() => document.querySelector('canvas')")
    page.evaluate("() => workers.engine.say({ type: 'error', code: 'no-webgpu', message: '', action: 'wasm' })")
    page.get_by_role("button", name="Run on the processor").click()
    until(page, "workers.engine.count === 2")
    running(page)
    assert page.evaluate("() => workers.python.count") == 1
    assert page.evaluate("() => sent('engine', 'python').length") == 1
    assert page.evaluate("() => sent('start')[0].backend") == "wasm"
    assert query(page)["backend"] == "wasm"
    assert page.evaluate("(old) => document.querySelector('canvas') !== old && !old.isConnected", canvas)


def test_a_second_crash_is_told_and_a_restart_brings_everything_back(opened):
    page = opened("?source=sample&effect=picture")
    running(page)
    page.evaluate("() => workers.engine.crash('out of memory')")
    until(page, "workers.engine.count === 2 && source()?.kind === 'picture'")
    assert page.evaluate("() => workers.python.count") == 1
    running(page)
    page.evaluate("() => workers.engine.crash('out of memory')")
    state(page, "error")
    alert = page.get_by_role("alert")
    assert "The engine has crashed" in alert.inner_text()
    assert "out of memory" in alert.inner_text()
    alert.get_by_role("button", name="Restart").click()
    until(page, "workers.engine.count === 3 && workers.python.count === 2 && source()?.kind === 'picture'")
    assert page.evaluate("() => sent('view')[0].view.picture.width") == 640  # which the new engine never saw
    running(page)


def test_a_picture_that_freezes_is_noticed(opened):
    page = opened("?source=sample")
    running(page)
    page.evaluate("() => { ahead = 30000; }")
    state(page, "error")
    assert "The engine has stopped answering" in page.get_by_role("alert").inner_text()
    page.evaluate("() => show(1)")  # it was only slow
    state(page, "running")


def test_a_pause_pauses_the_work(opened):
    page = opened("?source=sample")
    running(page)
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    assert page.evaluate("() => workers.engine.heard.at(-1).type") == "pause"
    assert page.locator("#pause").get_attribute("aria-pressed") == "true"
    page.locator("#pause").blur()
    page.keyboard.press("Space")
    state(page, "running")
    assert page.evaluate("() => workers.engine.heard.at(-1).type") == "resume"


def test_a_hidden_tab_does_no_work(opened):
    page = opened("?source=sample")
    running(page)
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    state(page, "paused")
    assert page.evaluate("() => workers.engine.heard.at(-1).type") == "pause"
    page.evaluate(hide, False)
    state(page, "running")
    assert page.evaluate("() => workers.engine.heard.at(-1).type") == "resume"


def test_a_file_of_ones_own_is_opened_and_never_named_in_the_address(opened):
    page = opened()
    page.set_input_files("#file", {"name": "me.png", "mimeType": "image/png", "buffer": png()})
    until(page, "source()?.kind === 'picture'")
    running(page)
    assert page.evaluate("() => source().bitmap.width") == 40
    assert page.inner_text("#source-name") == "me.png"
    assert query(page)["source"] == "file"
    assert "me.png" not in page.url
    page.reload()
    state(page, "error")
    assert "Open the file again" in page.get_by_role("alert").inner_text()


def test_a_file_can_be_dropped(opened):
    page = opened()
    page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(50, 20);
          canvas.getContext("2d");
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([await canvas.convertToBlob()], "drop.png", { type: "image/png" }));
          const event = { dataTransfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("dragover", event));
          if (!document.querySelector(".dragging")) throw new Error("nothing says that it may be dropped");
          document.body.dispatchEvent(new DragEvent("drop", event));
        }"""
    )
    until(page, "source()?.kind === 'picture'")
    assert page.evaluate("() => source().bitmap.width") == 50


def test_a_large_photograph_is_made_smaller_and_keeps_its_shape_and_its_size(opened):
    page = opened()
    photo = bytes(cv2.imencode(".jpg", np.full((7300, 5475, 3), 90, np.uint8))[1])
    page.set_input_files("#file", {"name": "40 megapixels.jpg", "mimeType": "image/jpeg", "buffer": photo})
    until(page, "source()?.kind === 'picture'")
    assert page.evaluate("() => [source().bitmap.width, source().bitmap.height]") == [3072, 4096]
    assert page.evaluate("() => [source().width, source().height]") == [5475, 7300]


def test_a_file_that_is_no_picture_is_told_of(opened):
    page = opened()
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"not a picture"})
    state(page, "error")
    assert "This file cannot be shown" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("https://example.org/a.jpg", "This picture lies on another site"),
        ("nothing.jpg", "The picture could not be loaded"),
        ("http://[", "The picture could not be loaded"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_of(visit, source, title):
    visited = visit("?" + urllib.parse.urlencode({"source": source}), script=WORKERS)
    state(visited.page, "error")
    assert title in visited.page.get_by_role("alert").inner_text()
    assert not [request.url for request in visited.requests if request.url.startswith("https://example.org")]


def test_a_background_of_ones_own_reaches_the_engine_once(opened):
    page = opened("?source=sample&effect=picture")
    running(page)
    page.set_input_files("#background", {"name": "b.png", "mimeType": "image/png", "buffer": png(20, 70)})
    until(page, "sent('view').some(({ view }) => view.picture?.width === 70)")
    assert query(page)["picture"] == "own"
    page.locator("input[name=mirror]").check()
    until(page, "sent('view').at(-1).view.mirror")
    assert page.evaluate("() => sent('view').filter(({ view }) => view.picture?.width === 70).length") == 1


def test_what_is_told_of_the_source_before_is_not_taken_for_the_new_one(opened):
    page = opened("?source=sample")
    running(page)
    page.evaluate("() => { globalThis.busy = true; }")  # with a picture of the sample
    page.locator("input[name=source][value=camera]").check(force=True)
    until(page, "source()?.kind === 'stream'")
    page.evaluate("() => show(1)")
    assert page.evaluate("() => document.documentElement.dataset.state") == "loading"
    # Two changes: away from the sample, and to the camera.
    page.evaluate("() => { for (let i = 0; i < 2; i++) workers.engine.say({ type: 'sourced' }); show(2); }")
    assert page.evaluate("() => document.documentElement.dataset.state") == "running"
    assert page.evaluate("() => bodylens.latest().frame.index") == 2


def test_the_effect_that_looks_chosen_is_drawn_also_by_a_model_of_poses_alone(opened):
    page = opened("?source=sample")
    running(page)
    chosen = page.locator("input[name=effect]:checked")
    poses = {"names": ["nose"], "sides": ["middle"], "edges": []}
    tell = "([topology, masks]) => workers.python.say({ type: 'opened', topology, masks })"
    page.evaluate(tell, [poses, False])
    assert chosen.input_value() == "none"
    assert query(page)["effect"] == "none"  # so that the link is the same set-up
    page.evaluate(tell, [poses, True])
    assert chosen.input_value() == "mask"
    page.evaluate(tell, [poses, False])
    page.locator("input[name=effect][value=mask]").check(force=True)
    until(page, "sent('model').at(-1).options.mask_model === 'selfie-general'")
    page.evaluate(tell, [poses, False])  # beside them, there is now a mask
    assert chosen.input_value() == "mask"


def test_a_model_that_is_not_here_can_be_changed_for_one_that_is(opened):
    page = opened("?source=sample&model=movenet-lightning")
    running(page)
    page.evaluate("() => workers.engine.say({ type: 'error', code: 'model-missing', message: 'x', action: 'model' })")
    page.get_by_role("button", name="Use another model").click()
    until(page, "sent('model').at(-1)?.model === 'selfie-general'")
    running(page)
    assert query(page)["model"] == "selfie-general"


def test_python_runs_in_a_worker_of_its_own_from_its_first_use(opened):
    page = opened()
    ask = "(code) => { globalThis.answer = bodylens.python(code).catch((error) => error.message); }"
    assert page.evaluate("() => workers.script ?? null") is None
    page.evaluate(ask, "1 + 1")
    assert page.evaluate("() => workers.script.heard.map(({ type }) => type)") == ["start", "run"]
    assert page.evaluate("() => sent('client').length") == 1
    page.evaluate("() => workers.script.say({ type: 'result', id: workers.script.heard[1].id, value: 2 })")
    assert page.evaluate("() => answer") == 2
    page.evaluate(ask, "1 / 0")
    page.evaluate("() => workers.script.say({ type: 'failed', id: workers.script.heard[2].id, message: 'no' })")
    assert page.evaluate("() => answer") == "no"
    page.evaluate(ask, "loop")
    page.evaluate("() => workers.script.crash('it died')")
    assert page.evaluate("() => answer") == "Python has ended: it died. The next call starts it again."
    page.evaluate(ask, "loop")
    page.evaluate("() => bodylens.stop()")
    assert page.evaluate("() => answer") == "Python was stopped."
    assert not page.evaluate("() => workers.script.alive")
    page.evaluate(ask, "1 + 1")
    assert page.evaluate("() => [workers.script.alive, workers.script.count]") == [True, 3]
    assert page.evaluate("() => document.documentElement.dataset.state") != "error"


def test_the_promise_can_be_looked_into_and_says_when_something_was_refused(opened):
    page = opened()
    badge = page.locator("#privacy-open")
    assert badge.inner_text() == "Private: nothing left this device"
    badge.click()
    dialog = page.get_by_role("dialog")
    assert page.evaluate("() => document.activeElement.id") == "privacy-title"  # one reads from the top
    assert "all of them to localhost" in dialog.inner_text()
    assert "So far nothing has tried." in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.evaluate("() => fetch('https://example.org/').catch(() => undefined)")
    until(page, "document.querySelector('#privacy-open').innerText === 'Private: an attempt to connect was refused'")


@pytest.mark.parametrize("effect", ["mask", "picture"])
def test_everything_fits_and_can_be_touched(opened, effect):
    page = opened(f"?source=sample&effect={effect}")
    running(page)
    for width, height in ((360, 740), (390, 844), (780, 360), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            """() => [...document.querySelectorAll("button, select, summary, label, .brand")]
              .filter((element) => element.checkVisibility())
              .map((element) => [element.textContent.trim(), element.getBoundingClientRect().height])
              .filter(([, height]) => height < 43.9)"""
        )
        assert small == []


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(opened):
    page = opened("?source=sample&effect=picture")
    running(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [role=img]")]
          .filter(({ ariaLabel, textContent, labels }) => {
            return !ariaLabel && !textContent.trim() && !labels?.[0]?.textContent.trim();
          })
          .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.id || document.activeElement.name || 'other'"))
    assert {"privacy-open", "pause", "save", "source", "effect", "picture", "mirror", "model", "backend"} <= reached


def test_stats_are_plain_data(opened):
    page = opened("?source=sample")
    running(page)
    stats = {"fps": 24.5, "latency": {"total": 31.2, "network": 20}, "frames": {"in": 9}, "bytes": 5, "backend": "wasm"}
    page.evaluate("(stats) => workers.engine.say({ type: 'stats', stats })", stats)
    told = page.evaluate("() => bodylens.stats()")
    assert json.dumps(told)
    assert told | stats == told
    assert told["startup"]["firstResult"] > 0
    assert page.inner_text("#meter") == "25 fps · 31 ms · WebAssembly"
