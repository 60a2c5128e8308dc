"""The page in Firefox and in WebKit themselves: a drawn mask, the same Python, the same promise."""

import base64
from pathlib import Path

import cv2
import numpy as np
import peers
import pytest

import bodylens

PICTURES = Path(__file__).parents[1] / "pictures"
STATE = "document.documentElement.dataset.state"
SNAPSHOT = """(async () => {
  const bytes = new Uint8Array(await (await bodylens.snapshot()).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
})()"""
MASK = """
import base64, bodylens, numpy as np
segmenter = await bodylens.create_segmenter("selfie-general")
mask = await (await segmenter.estimate()).read_mask()
[*mask.shape, base64.b64encode(np.round(mask * 255).astype(np.uint8).tobytes()).decode()]
"""
TRIED = """(async (to) => {
  const image = new Image();
  const shown = new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: to }));
  const tried = { fetch: fetch(to, { mode: "no-cors" }), image: shown, import: import(to) };
  const ends = Object.entries(tried).map(async ([name, end]) => [name, await end.then(() => "gone", () => "refused")]);
  return Object.fromEntries(await Promise.all(ends));
})(%s)"""
PYTHON_TRIED = """
import asyncio, js
try:  # WebKit leaves a worker whose policy refuses it without an answer
    await asyncio.wait_for(js.fetch("{}", mode="no-cors"), 5)
    how = "gone"
except Exception:
    how = "refused"
how
"""
BLUE = "effect=color&color=%230000ff&skeleton=0"


@pytest.fixture(params=[peers.Firefox, peers.WebKit], ids=["Firefox", "WebKit"])
def browser(request):
    """Start the browser; where it is not to be had, that is said."""
    try:
        browser = request.param()
    except (peers.Missing, peers.Refused, OSError) as missing:
        pytest.skip(str(missing))
    yield browser
    browser.close()


def show(browser, address):
    """Open a link, and wait until it runs."""
    browser.open(address)
    state = browser.wait_for(f"['running', 'error'].includes({STATE}) && {STATE}")
    assert state == "running", browser.evaluate("document.body.innerText")
    browser.wait_for("bodylens.stats().frames?.out > 3")


def blue(browser):
    """Give the share of the picture that is drawn as background."""
    png = base64.b64decode(browser.evaluate(SNAPSHOT))
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return (image == (255, 0, 0)).all(axis=-1).mean()


def test_a_link_cuts_a_person_out(browser, server):
    show(browser, f"{server}/?source=sample&{BLUE}")
    assert 0.1 < blue(browser) < 0.9
    assert browser.evaluate("bodylens.latest().people.length") == 1
    assert browser.evaluate("crossOriginIsolated")
    stats = browser.evaluate("bodylens.stats()")
    print(f"\n{type(browser).__name__}: {stats['threads']} threads")


def test_a_camera_is_seen_and_its_frames_are_closed(browser, server):
    show(browser, f"{server}/?source=camera&{BLUE}")
    browser.wait_for("bodylens.stats().frames.out > 20")
    frames = browser.evaluate("bodylens.stats().frames")
    assert 0 <= frames["in"] - frames["closed"] <= 2
    assert blue(browser) > 0.05  # there is more than people before the fake camera
    browser.evaluate("document.querySelector('#pause').click()")
    browser.wait_for(f"{STATE} === 'paused'")


def test_the_same_python_gives_the_same_mask(browser, server):
    show(browser, f"{server}/?source=sample&effect=none")
    height, width, text = browser.evaluate(f"bodylens.python({MASK!r})")
    mask = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width) >= 128
    picture = bodylens.read_picture(PICTURES / "astronaut.jpg")
    native = bodylens.create_segmenter("selfie-general").estimate(picture).read_mask() >= 0.5
    iou = (mask & native).sum() / (mask | native).sum()
    print(f"\n{type(browser).__name__}: IoU {iou:.4f} with the mask found natively")
    assert iou > 0.98


def test_poses_and_parts_are_drawn(browser, server):
    show(browser, f"{server}/?source=sample&model=blazepose-lite&effect=parts")
    (person,) = browser.evaluate("bodylens.latest().people")
    assert len(person["keypoints"]) == len(person["world"]) == 33
    assert person["score"] > 0.5


def test_nothing_leaves_it(browser, server, host, start_host):
    other = start_host(PICTURES)
    for address in (f"{server}/", host.address):
        elsewhere = f"http://127.0.0.1:{other.server.server_port}/astronaut.jpg"
        show(browser, f"{address}?source=sample&effect=none")
        told = browser.evaluate(TRIED % repr(elsewhere))
        assert told == {"fetch": "refused", "image": "refused", "import": "refused"}
        assert browser.evaluate(f"bodylens.python({PYTHON_TRIED.format(elsewhere)!r})") == "refused"
        browser.wait_for("document.querySelector('#privacy-open').innerText.includes('an attempt to connect was')")
        assert other.sent == []
    browser.open(elsewhere)  # a person who goes there gets there
    assert [path for path, _ in other.sent] == ["/astronaut.jpg"]


def test_a_static_folder_is_isolated_and_goes_on_without_its_host(browser, host):
    show(browser, f"{host.address}?source=sample&{BLUE}")
    assert browser.evaluate("[crossOriginIsolated, Boolean(navigator.serviceWorker.controller)]") == [True, True]
    assert 0.1 < blue(browser) < 0.9
    assert browser.evaluate("document.querySelector('#unprotected').hidden")
    host.stop()
    show(browser, f"{host.address}?source=sample&{BLUE}")
    assert 0.1 < blue(browser) < 0.9
