"""A phone: upright and sideways, its two cameras, turned, called and put away; in Chromium that emulates one."""

import itertools
import time
import urllib.parse

import numpy as np
import pytest
from drawn import frames_out, snapshot
from playwright.sync_api import expect
from waiting import settled_address, until

# As playwright knows them: the page's part of the screen beside the browser's own bars.
PHONES = {
    "iPhone 13": {"portrait": (390, 664), "landscape": (750, 342), "scale": 3},
    "Pixel 7": {"portrait": (412, 839), "landscape": (863, 360), "scale": 2.625},
}
# What a notch and the bar of the home gesture take, CSS pixels.
INSETS = {
    "portrait": {"top": 47, "bottom": 34, "left": 0, "right": 0},
    "landscape": {"top": 0, "bottom": 21, "left": 47, "right": 47},
}
# Everything that a finger may aim at, with the room that it has: a control inside a label has the label's.
TARGETS = """() => [...document.querySelectorAll("button, select, summary, input, a, [role=switch]")]
  .filter((element) => element.checkVisibility())
  .map((element) => [element, (element.closest("label") ?? element).getBoundingClientRect()])
  .map(([element, box]) => ({
    name: element.id || element.name || element.textContent.trim(),
    left: box.left, top: box.top, right: box.right, bottom: box.bottom,
    scrolled: element.closest(".panel") !== null,
  }))"""
BOX = """(selector) => {
  const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
  return { left, top, right, bottom };
}"""

# A device with a camera at the front and one at the back, made of Chromium's two fake ones.
TWO_SIDES = """
  globalThis.asked = [];
  globalThis.tracks = [];
  const SIDES = ["user", "environment"];
  const cameras = async () => (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput");
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ video: { facingMode, ...video } }) => {
    asked.push(facingMode);
    if (tracks.some((track) => track.readyState === "live")) throw new DOMException("busy", "NotReadableError");
    const wanted = facingMode?.exact ?? facingMode;
    await (await open({ video: true })).getTracks()[0].stop();
    const exact = wanted ? (await cameras())[SIDES.indexOf(wanted)].deviceId : video.deviceId.exact;
    const stream = await open({ video: { ...video, deviceId: { exact } } });
    const [track] = stream.getVideoTracks();
    const side = SIDES[(await cameras()).findIndex(({ deviceId }) => deviceId === exact)];
    const getSettings = track.getSettings.bind(track);
    track.getSettings = () => ({ ...getSettings(), facingMode: side });
    track.side = side;
    tracks.push(track);
    globalThis.opened?.(track);
    return stream;
  };
  delete InputDeviceInfo.prototype.getCapabilities;
"""
# The camera at the back has a torch, which notes what it is told.
TORCH = """
  globalThis.told = [];
  globalThis.opened = (track) => {
    if (track.side !== "environment") return;
    const getCapabilities = track.getCapabilities.bind(track);
    track.getCapabilities = () => ({ ...getCapabilities(), torch: true });
    const apply = track.applyConstraints.bind(track);
    track.applyConstraints = async ({ advanced, ...others }) => {
      told.push(...advanced);
      await apply(others);
    };
  };
"""
# A camera that shows the sample portrait in a square, as large as fits, and that can be turned.
TURNING = """
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const picture = new Image();
  globalThis.turn = (width, height) => Object.assign(canvas, { width, height });
  turn(480, 640);
  const draw = () => {
    const { width, height } = canvas;
    const side = Math.min(width, height);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    if (picture.complete) context.drawImage(picture, (width - side) / 2, (height - side) / 2, side, side);
  };
  setInterval(draw, 50);
  navigator.mediaDevices.getUserMedia = async () => {
    const { samples } = JSON.parse(document.querySelector('meta[name="bodylens:site"]').content);
    picture.src = new URL("astronaut.jpg", new URL(samples, document.baseURI));
    await picture.decode();
    draw();
    const stream = canvas.captureStream(20);
    stream.getVideoTracks()[0].applyConstraints = () => Promise.reject(new Error("this camera has one size"));
    return stream;
  };
"""
TRACKS = """
  globalThis.tracks = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wish) => {
    const stream = await open(wish);
    tracks.push(...stream.getTracks());
    return stream;
  };
"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def phone(visit):
    """Open the page on a phone: `phone("Pixel 7", "portrait", "?source=camera")`."""

    def phone(name, orientation, query="", **options):
        width, height = PHONES[name][orientation]
        screen = {"viewport": {"width": width, "height": height}, "device_scale_factor": PHONES[name]["scale"]}
        opened = visit(query, is_mobile=True, has_touch=True, **screen, **options)
        hold(opened.page, name, orientation)
        return opened

    return phone


def hold(page, name, orientation):
    """Turn the phone."""
    width, height = PHONES[name][orientation]
    page.set_viewport_size({"width": width, "height": height})
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setSafeAreaInsetsOverride", {"insets": INSETS[orientation]})


def address(page):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(settled_address(page)).query))


def fits(page, name, orientation):
    """Hold that nothing is too small, outside the screen, or where a notch or a rounded corner is."""
    width, height = PHONES[name][orientation]
    insets = INSETS[orientation]
    assert page.evaluate("[document.documentElement.scrollWidth, scrollY]") == [width, 0]
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    for target in page.evaluate(TARGETS):
        assert target["right"] - target["left"] >= 43.9, target
        assert target["bottom"] - target["top"] >= 43.9, target
        assert target["left"] >= insets["left"] - 0.5, target
        assert target["right"] <= width - insets["right"] + 0.5, target
        assert target["scrolled"] or target["top"] >= insets["top"] - 0.5, target
    for target in page.evaluate(
        "(s) => [...document.querySelectorAll(s)].map((b) => b.getBoundingClientRect().bottom)",
        ".toolbar button:not([hidden])",
    ):
        assert target <= height - insets["bottom"] + 0.5
    return page.evaluate(BOX, "#canvas-holder")


@pytest.mark.parametrize("name", PHONES)
def test_everything_fits_a_phone_held_upright_and_sideways(phone, wait_state, name, tmp_path):
    page = phone(name, "portrait", "?source=sample&effect=picture&backend=wasm").page
    wait_state(page, "running")
    frames_out(page, 2)
    for orientation in ("portrait", "landscape", "portrait"):
        hold(page, name, orientation)
        width, height = PHONES[name][orientation]
        until(page, f"innerWidth === {width} && innerHeight === {height}")
        picture = fits(page, name, orientation)
        assert (picture["left"], picture["right"]) == (0, width), "the picture has the whole width"
        assert picture["bottom"] == height
        assert picture["bottom"] - picture["top"] > 0.7 * (height - INSETS[orientation]["top"])
        page.tap("#settings-open")
        page.wait_for_selector("#panel", state="visible")
        beside = fits(page, name, orientation)
        assert (beside["right"] - beside["left"]) * (beside["bottom"] - beside["top"]) > 0.3 * width * height
        page.screenshot(path=tmp_path / f"{name} {orientation}.png")
        page.evaluate("document.querySelector('#panel').scrollTo(0, 1e6)")
        last = page.evaluate(BOX, "#panel fieldset:last-of-type")
        assert last["bottom"] <= height - INSETS[orientation]["bottom"] + 1
        assert page.evaluate(BOX, "#canvas-holder") == beside, "the picture stays where it is"
        page.touchscreen.tap((beside["left"] + beside["right"]) / 2, (beside["top"] + beside["bottom"]) / 2 - 30)
        page.wait_for_selector("#panel", state="hidden")
    assert page.evaluate("document.documentElement.dataset.state") == "running"


@pytest.mark.parametrize("orientation", ["portrait", "landscape"])
def test_the_first_screen_fits_a_phone(phone, wait_state, orientation):
    page = phone("iPhone 13", orientation).page
    wait_state(page, "ready")
    fits(page, "iPhone 13", orientation)
    bottom = PHONES["iPhone 13"][orientation][1] - INSETS[orientation]["bottom"]
    for button in ("Start camera", "Try the sample picture"):
        box = page.get_by_role("button", name=button).bounding_box()
        assert box["y"] + box["height"] <= bottom, f"{button} is in sight"
    page.locator("#settings-open").tap()
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()


def test_a_phone_switches_between_its_front_and_its_back_camera(phone, wait_state):
    opened = phone("Pixel 7", "portrait", "?source=camera&backend=wasm", camera="two", script=TWO_SIDES)
    page = opened.page
    wait_state(page, "running")
    mirrored = page.locator("input[name=mirror]")
    assert mirrored.is_checked()
    page.locator("#switch").tap()
    until(page, "tracks.length === 2")
    wait_state(page, "running")
    assert page.evaluate("tracks.map(({ side, readyState }) => [side, readyState])") == [
        ["user", "ended"],
        ["environment", "live"],
    ]
    assert not mirrored.is_checked(), "only who looks at themselves expects a mirror"
    assert address(page)["facing"] == "environment"
    page.reload()
    until(page, "tracks.length === 1")
    assert page.evaluate("tracks[0].side") == "environment", "the link says which camera"
    wait_state(page, "running")
    page.locator("#switch").tap()
    until(page, "tracks.length === 2")
    wait_state(page, "running")
    assert page.evaluate("tracks[1].side") == "user"
    assert mirrored.is_checked()
    assert address(page)["facing"] == "user"
    assert opened.errors == []


def test_a_computer_switches_to_its_next_camera(visit, wait_state):
    page = visit("?source=camera&backend=wasm", camera="two", script=TRACKS).page
    wait_state(page, "running")
    page.locator("#switch").click()
    until(page, "tracks.length === 2")
    wait_state(page, "running")
    labels = page.evaluate("tracks.map(({ label }) => label)")
    assert labels == ["fake_device_0", "fake_device_1"]
    assert address(page)["device"] == page.evaluate("tracks[1].getSettings().deviceId")
    page.locator("#switch").click()
    until(page, "tracks.length === 3")
    assert page.evaluate("tracks[2].label") == "fake_device_0"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("facing=environment", "This device has no camera at the back, so this is another one."),
        ("device=unplugged", "The chosen camera is not here, so this is another one."),
    ],
)
def test_a_camera_that_is_not_there_is_replaced_and_that_is_said(visit, wait_state, query, said):
    page = visit(f"?source=camera&backend=wasm&{query}").page
    wait_state(page, "running")
    assert page.locator("#notice").inner_text() == said
    assert page.locator("#switch").is_hidden(), "there is nothing to switch to"


def test_a_torch_shines_until_the_camera_is_switched(phone, wait_state):
    script = TWO_SIDES + TORCH
    query = "?source=camera&facing=environment&backend=wasm"
    page = phone("Pixel 7", "portrait", query, camera="two", script=script).page
    wait_state(page, "running")
    torch = page.locator("#torch")
    torch.tap()
    expect(torch).to_have_attribute("aria-pressed", "true")
    page.locator("#pause").tap()
    expect(torch).to_have_attribute("aria-pressed", "false")
    page.locator("#pause").tap()
    torch.tap()
    expect(torch).to_have_attribute("aria-pressed", "true")
    told = page.evaluate("told.map(({ torch }) => torch)")
    # A camera that is asked for less is told the rest once more.
    assert [torch for torch, _ in itertools.groupby(told)] == [True, False, True]
    page.locator("#switch").tap()
    until(page, "tracks.length === 2")
    wait_state(page, "running")
    assert torch.is_hidden(), "the front has none"
    assert page.evaluate("tracks[0].readyState") == "ended", "and with its camera the other went out"


def test_the_screen_stays_awake_while_something_moves(visit, wait_state):
    page = visit("?source=camera&backend=wasm").page
    awake = "bodylens.stats().screen.awake"
    wait_state(page, "running")
    until(page, awake)
    page.click("#pause")
    until(page, f"!{awake}")
    page.click("#pause")
    until(page, awake)
    page.evaluate(HIDE, True)
    until(page, f"!{awake}")
    page.evaluate(HIDE, False)
    until(page, awake)
    page.locator("input[name=source][value=sample]").dispatch_event("click")
    until(page, "bodylens.latest()?.frame.width === 512 && document.documentElement.dataset.state === 'running'")
    assert page.evaluate(awake) is False


def test_a_camera_that_is_not_looked_at_is_off(visit, wait_state):
    page = visit("?source=camera&backend=wasm", script=TRACKS).page
    wait_state(page, "running")
    page.evaluate(HIDE, True)
    wait_state(page, "paused")
    assert page.evaluate("tracks[0].enabled") is False
    page.evaluate(HIDE, False)
    wait_state(page, "running")
    assert page.evaluate("tracks[0].enabled") is True
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 5)


def test_a_call_interrupts_and_afterwards_it_goes_on(visit, wait_state):
    page = visit("?source=camera&backend=wasm", script=TRACKS).page
    wait_state(page, "running")
    page.evaluate("() => { tracks[0].dispatchEvent(new Event('mute')); }")
    wait_state(page, "paused")
    assert "The camera is interrupted" in page.inner_text("#notice")
    assert page.evaluate("tracks[0].enabled") is True, "else it would stay black"
    page.evaluate("() => { tracks[0].dispatchEvent(new Event('unmute')); }")
    wait_state(page, "running")
    assert page.locator("#notice").is_hidden()
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 5)


@pytest.fixture
def keeping(chromium):
    """Give a page of a browser that keeps pages which were left, and what counts that browser's workers."""
    kind, program = chromium
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    # Playwright's own flags switch that off.
    browser = kind.launch(executable_path=program, args=flags, ignore_default_args=["--disable-back-forward-cache"])
    tools = browser.new_browser_cdp_session()
    page = browser.new_page()
    page.add_init_script(TRACKS + "addEventListener('pageshow', (event) => { globalThis.kept = event.persisted; });")
    yield page, lambda: [one["type"] for one in tools.send("Target.getTargets")["targetInfos"]].count("worker")
    browser.close()


def test_a_page_that_was_left_gives_the_camera_back_and_takes_it_again(keeping, server, wait_state):
    page, _ = keeping
    page.goto(f"{server}/?source=camera&backend=wasm")
    wait_state(page, "running")
    page.goto(f"{server}/health")
    page.go_back(wait_until="commit")
    until(page, "globalThis.kept && tracks.length === 2")
    assert page.evaluate("tracks.map(({ readyState }) => readyState)") == ["ended", "live"]
    wait_state(page, "running")
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 5)


def test_a_page_that_was_left_holds_no_workers_and_starts_them_again(keeping, server, wait_state):
    page, workers = keeping
    page.goto(f"{server}/?source=sample&effect=color&color=%230000ff&backend=wasm")
    wait_state(page, "running")
    assert workers() >= 2
    page.goto(f"{server}/health")
    end = time.monotonic() + 60
    while workers() and time.monotonic() < end:
        page.wait_for_timeout(25)
    assert workers() == 0
    page.go_back(wait_until="commit")
    until(page, "globalThis.kept")
    wait_state(page, "running")
    assert 0.1 < (snapshot(page)[..., :3] == (0, 0, 255)).all(-1).mean() < 0.9


def person(page):
    """Give the square of the drawn picture in which the portrait is, and what of it is person."""
    drawn = snapshot(page)[..., :3]
    height, width = drawn.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = drawn[top : top + side, left : left + side]
    return drawn.shape[:2], ~(square == (0, 0, 255)).all(-1)


@pytest.mark.parametrize(
    "script", ["", "delete globalThis.MediaStreamTrackProcessor;"], ids=["stream of frames", "frames of a video"]
)
@pytest.mark.parametrize("model", ["selfie-general", "blazepose-full"])
def test_a_phone_that_is_turned_in_mid_run_goes_on_with_the_new_shape(visit, wait_state, script, model):
    query = f"?source=camera&mirror=0&skeleton=0&effect=color&color=%230000ff&backend=wasm&model={model}"
    page = visit(query, script=TURNING + script).page
    wait_state(page, "running")
    frames_out(page, 5)
    shape, upright = person(page)
    assert shape == (640, 480)
    assert 0.1 < upright.mean() < 0.9
    noses = []
    for width, height in ((640, 480), (480, 640)):
        page.evaluate("([width, height]) => turn(width, height) && 0", [width, height])
        until(page, f"bodylens.latest().frame.width === {width}")
        frames_out(page, page.evaluate("bodylens.stats().frames.out") + 8)
        shape, turned = person(page)
        assert shape == (height, width)
        # What the pose's own mask makes of the bag below depends on what lies around.
        same = (upright & turned).sum() / (upright | turned).sum()
        assert same > (0.93 if model == "selfie-general" else 0.7), "neither stretched nor out of place"
        aspect = page.evaluate(
            "(({ width, height }) => width / height)(document.querySelector('#canvas-holder canvas'))"
        )
        assert aspect == pytest.approx(width / height, abs=0.01)
        (found,) = page.evaluate("bodylens.latest().people")
        if found["keypoints"]:
            nose = found["keypoints"][0]
            noses.append((nose["x"] - (width - 480) / 2, nose["y"] - (height - 480) / 2))
    assert len(noses) in (0, 2)
    if noses:
        np.testing.assert_allclose(noses[0], noses[1], atol=15)
    assert page.evaluate("document.documentElement.dataset.state") == "running"
