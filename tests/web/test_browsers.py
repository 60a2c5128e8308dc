"""Browsers that lack something: with each feature switched off in Chromium a mask is drawn all the same."""

import numpy as np
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


@pytest.mark.parametrize("source", [CAMERA, SAMPLE])
def test_without_webgl2_in_workers(visit, wait_state, source):
    opened = visit(source, worker=NO_WEBGL2)
    assert masked(opened, wait_state)["drawing"] == "2d"


def test_with_webgl2_in_workers_nothing_is_said_of_a_2d_canvas(visit, wait_state):
    opened = visit("?source=sample&effect=pixelate&backend=wasm")
    wait_state(opened.page, "running")
    frames_out(opened.page, 3)
    assert opened.page.locator(".plain-only").filter(visible=True).count() == 0


def test_without_webgl2_in_workers_a_skeleton_is_drawn_as_well(visit, wait_state):
    opened = visit("?source=sample&effect=mask&opacity=0&model=blazepose-full&backend=wasm", worker=NO_WEBGL2)
    wait_state(opened.page, "running")
    frames_out(opened.page, 3)
    drawn = snapshot(opened.page)[..., :3].astype(int)
    opened.page.evaluate("bodylens.settings.set('skeleton', false)")
    frames_out(opened.page, opened.page.evaluate("bodylens.stats().frames.out") + 3)
    changed = abs(drawn - snapshot(opened.page)[..., :3]).max(-1) > 25
    assert 0.001 < changed.mean() < 0.2
    # Where it was drawn are the keypoints.
    for point in opened.page.evaluate("bodylens.latest().people[0].keypoints"):
        if point["score"] > 0.9:
            x, y = round(point["x"]), round(point["y"])
            assert changed[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].any(), point


def test_without_webgl2_in_workers_what_is_to_be_hidden_is_hidden(visit, wait_state):
    hidden = []
    for effect in ("none", "hide", "pixelate"):
        opened = visit(f"?source=sample&effect={effect}&skeleton=0&backend=wasm", worker=NO_WEBGL2)
        wait_state(opened.page, "running")
        frames_out(opened.page, 3)
        # What the settings offer and a 2D canvas does not is said.
        assert opened.page.locator(".plain-only").filter(visible=True).count() == (effect != "none")
        hidden.append(snapshot(opened.page)[60:160, 180:270, :3].astype(int))  # the face
    plain, *others = hidden
    for covered in others:
        assert abs(covered - plain).mean() > 8
        cells = abs(np.diff(covered, axis=1)).max(-1) > 4
        assert cells.mean() < 0.2, "large cells of one colour"


@pytest.mark.parametrize("model", ["blazepose-full", "movenet-lightning"])
def test_without_webgl2_in_workers_parts_have_their_own_colours(visit, wait_state, model):
    table = ",".join(f"{10 * i:02x}00ff" for i in range(24))
    view = f"effect=parts&opacity=1&edgeblur=0&skeleton=0&table={table}"
    opened = visit(f"?source=sample&{view}&model={model}&backend=wasm", worker=NO_WEBGL2)
    wait_state(opened.page, "running")
    frames_out(opened.page, 3)
    drawn = snapshot(opened.page)[..., :3].astype(int)
    coloured = (drawn[..., 1] == 0) & (drawn[..., 2] == 255)
    assert len(np.unique(drawn[coloured][:, 0] // 10)) > 5
    points = {point["name"]: point for point in opened.page.evaluate("bodylens.latest().people[0].keypoints")}
    for name in ("nose", "left_eye", "right_eye"):
        x, y = round(points[name]["x"]), round(points[name]["y"])
        assert coloured[y, x], name
        assert drawn[y, x, 0] in (0, 10), "the left or the right face"


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


def test_without_a_canvas_for_workers_it_names_the_browsers_that_have_one(visit):
    opened = visit(CAMERA, script="delete HTMLCanvasElement.prototype.transferControlToOffscreen")
    opened.page.wait_for_selector('html[data-state="error"]', state="attached")
    text = opened.page.inner_text("#message-card")
    assert "This browser is too old" in text
    for browser in ("Chrome", "Edge", "Firefox", "Safari 16.4"):
        assert browser in text


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
