"""Browsers that lack something: with each feature switched off in Chromium a mask is drawn all the same."""

import pytest
from drawn import frames_out, snapshot
from waiting import until

CAMERA = "?source=camera&effect=color&color=%230000ff&backend=wasm"
SAMPLE = "?source=sample&effect=color&color=%230000ff&backend=wasm"
NO_TRACKS = "delete globalThis.MediaStreamTrackProcessor"
# What is new in a browser is taken away from it before the page's and the workers' own programs begin.
NO_WEBGL2 = """{
  const { getContext } = OffscreenCanvas.prototype;
  OffscreenCanvas.prototype.getContext = function (kind, ...options) {
    return kind === "webgl2" ? null : getContext.call(this, kind, ...options);
  };
}"""
NO_CANVAS = "delete HTMLCanvasElement.prototype.transferControlToOffscreen"
NO_ISOLATION = """
  Object.defineProperty(globalThis, "crossOriginIsolated", { value: false });
  delete globalThis.SharedArrayBuffer"""
OLD_LANGUAGE = """
  delete Promise.withResolvers; delete Promise.try; delete Array.fromAsync; delete Object.groupBy; delete Map.groupBy;
  delete Array.prototype.toSorted; delete Array.prototype.toReversed; delete Array.prototype.with;
  delete Set.prototype.union; delete Set.prototype.intersection; delete URL.parse; delete AbortSignal.any;
  delete Uint8Array.fromBase64; delete ReadableStream.prototype[Symbol.asyncIterator];
  delete globalThis.Iterator; delete OffscreenCanvasRenderingContext2D.prototype.reset"""
NO_STORAGE = """
  for (const world of [globalThis.Navigator, globalThis.WorkerNavigator]) if (world) delete world.prototype.storage;
  delete globalThis.caches"""
NO_PUSHING = f"{NO_TRACKS}; delete HTMLVideoElement.prototype.requestVideoFrameCallback"


def blue(page):
    """Give the share of the drawn picture that is background, which the effect makes blue."""
    return (snapshot(page)[..., :3] == (0, 0, 255)).all(-1).mean()


def masked(opened, wait_state, frames=3):
    """Wait for a drawn mask, and give what the page says of itself."""
    wait_state(opened.page, "running")
    stats = frames_out(opened.page, frames)
    assert 0.1 < blue(opened.page) < 0.9, "the background is blue, the person is not"
    assert opened.errors == []
    return stats


def test_without_webgpu(visit, wait_state):
    opened = visit(
        CAMERA.replace("wasm", "auto"),
        script="delete Navigator.prototype.gpu",
        worker="delete WorkerNavigator.prototype.gpu",
    )
    assert masked(opened, wait_state)["backend"] == "wasm"


@pytest.mark.parametrize(
    ("page", "worker"),
    [
        pytest.param(NO_TRACKS, "", id="frames are pushed from a video"),
        pytest.param(NO_TRACKS, "globalThis.MediaStreamTrackProcessor = class {}", id="tracks cannot be handed over"),
        pytest.param(NO_PUSHING, "", id="a video does not say when a frame comes"),
        pytest.param(f"{NO_PUSHING}; delete globalThis.VideoFrame", "", id="frames are bitmaps"),
    ],
)
def test_without_a_stream_of_frames(visit, wait_state, page, worker):
    masked(visit(CAMERA, script=page, worker=worker), wait_state, frames=10)


def test_without_jspi_webgpu_takes_the_other_bundle(visit, wait_state):
    opened = visit(
        SAMPLE.replace("wasm", "webgpu"), worker="delete WebAssembly.Suspending; delete WebAssembly.promising"
    )
    wait_state(opened.page, "running", timeout=240)
    assert 0.1 < blue(opened.page) < 0.9
    assert opened.page.evaluate("bodylens.stats().backend") == "webgpu"
    loaded = [request.url for request in opened.requests]
    assert any("ort.webgpu.min.mjs" in url for url in loaded)
    assert not any("jspi" in url for url in loaded)


def test_without_shared_memory_one_thread_does_it(visit, wait_state):
    opened = visit(CAMERA, script=NO_ISOLATION, worker=NO_ISOLATION)
    assert masked(opened, wait_state)["threads"] == 1


def test_without_streams_into_files_python_is_kept_all_the_same(visit, wait_state):
    lacking = "delete FileSystemFileHandle.prototype.createWritable"
    first = visit(SAMPLE, worker=lacking)
    masked(first, wait_state)
    names = "navigator.storage.getDirectory().then((folder) => Array.fromAsync(folder.keys()))"
    until(first.page, f"{names}.then((names) => names.some((name) => name.endsWith('.snapshot')))")
    again = visit(SAMPLE, worker=lacking, again=first)
    assert masked(again, wait_state)["python"]["times"]["snapshot"] is True
    assert len(again.page.evaluate(names)) == 1


@pytest.mark.parametrize(
    ("page", "worker", "title"),
    [
        pytest.param(NO_CANVAS, "", "This browser is too old", id="no canvas for workers"),
        pytest.param("", NO_WEBGL2, "The picture cannot be drawn", id="no WebGL2 in workers"),
    ],
)
def test_a_browser_that_cannot_draw_in_workers_is_told_which_ones_can(visit, page, worker, title):
    opened = visit(CAMERA, script=page, worker=worker)
    opened.page.wait_for_selector('html[data-state="error"]', state="attached")
    text = opened.page.inner_text("#message-card")
    assert title in text
    for browser in ("Chrome or Edge 111", "Firefox 121", "Safari 17"):
        assert browser in text
    # No other source would help: the message stays.
    opened.page.evaluate("document.querySelector('button[data-source=sample]').click()")
    assert opened.state == "error"
    assert opened.page.locator("#message-card").is_visible()


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param(NO_STORAGE, id="no storage"),
        pytest.param("if (globalThis.Navigator) delete Navigator.prototype.wakeLock", id="no wake lock"),
        pytest.param("delete globalThis.DecompressionStream", id="no decompression"),
        pytest.param(OLD_LANGUAGE, id="the language of 2022"),
        pytest.param("delete globalThis.PressureObserver", id="no word of the processor"),
    ],
)
def test_without_what_only_newer_browsers_have(visit, wait_state, lacking):
    masked(visit(CAMERA, script=lacking, worker=lacking), wait_state)
