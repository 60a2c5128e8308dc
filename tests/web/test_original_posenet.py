"""PoseNet against PoseNet in Chromium: the authors' package, as a page runs it, with the same weights."""

import functools
import http.server
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import original_posenet
import pytest
from original_posenet import FOLDER, places, two_people

import bodylens
from bodylens.native import driver
from bodylens.posenet import to_poses

MEDIA = Path(os.environ.get("BODYLENS_MEDIA", Path(__file__).parents[3] / "shared" / "media"))

# Files come from this page's own server, large ones as its own bytes.
RUN = """
async ([width, height, options]) => {
  const bytes = async (name) => (await fetch(`given/${name}`)).arrayBuffer();
  const { run } = await import("./posenet.js");
  tf.wasm.setWasmPaths("node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  const model = JSON.parse(new TextDecoder().decode(await bytes("model")));
  const pixels = new Uint8Array(await bytes("pixels"));
  const given = { model, weights: await bytes("weights"), pixels, width, height, options };
  return run(tf, posenet, { ...given, resolution: 385, stride: 16 });
}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives the original's folder."""

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="module")
def original(browser):
    """Let the authors' package look at a picture in a page of its own: `original(image, **options)`."""
    original_posenet.installed()
    model, *shards = original_posenet.weights()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(FOLDER)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = browser.new_context()

    def run(image, **options):
        page = context.new_page()
        given = {
            "model": model.read_bytes(),
            "weights": b"".join(path.read_bytes() for path in shards),
            "pixels": np.ascontiguousarray(image).tobytes(),
        }
        page.route("**/given/*", lambda route: route.fulfill(body=given[route.request.url.rpartition("/")[2]]))
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            return page.evaluate(RUN, [image.shape[1], image.shape[0], options])
        finally:
            page.close()

    yield run
    context.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_poses_and_scores_are_those_of_the_original(original):
    image = two_people()
    expected = original(image)
    many = to_poses(bodylens.create_detector("posenet-075", min_score=0).estimate_poses(image))
    (one,) = to_poses(
        bodylens.create_detector("posenet-075", decoding="single-person", min_score=0).estimate_poses(image)
    )
    assert len(many) == len(expected["multiple"]) >= 2
    for pose, theirs in zip([*many, one], [*expected["multiple"], expected["single"]], strict=True):
        original_posenet.hold_equal(pose, theirs)


def corner_to_corner(image, region, width, height, low, high, border, sampler):
    """Sample as the original does: bilinearly whatever the scale, from the corners of pixels, after padding by zeros.

    ref: tfjs-models, posenet/src/util.ts, padAndResizeTo
    """
    rows, columns = image.shape[:2]
    across, down = (round(max(0, 0.5 * (other - side))) for side, other in ((columns, rows), (rows, columns)))
    padded = cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_CONSTANT).astype(np.float32)
    x = np.arange(width, dtype=np.float32) * np.float32(padded.shape[1] / width)
    y = np.arange(height, dtype=np.float32) * np.float32(padded.shape[0] / height)
    sampled = cv2.remap(padded, *np.meshgrid(x, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(low + sampled.transpose(2, 0, 1)[None] * np.float32((high - low) / 255))


@pytest.mark.parametrize("name", ["couple.jpg", "three_people.jpg"])
@pytest.mark.parametrize("theirs", [False, True], ids=["our way of sampling", "its way of sampling"])
def test_on_a_picture_that_is_resized_first_the_same_people_are_found(original, name, theirs, monkeypatch):
    if not (MEDIA / name).is_file():
        pytest.skip(f"{name} is not part of the project; set BODYLENS_MEDIA to the folder that holds it")
    image = bodylens.read_picture(MEDIA / name)
    expected = original(image)["multiple"]
    if theirs:
        monkeypatch.setattr(driver, "crop", corner_to_corner)
    found = to_poses(bodylens.create_detector("posenet-075", min_score=0).estimate_poses(image))
    assert len(found) == len(expected) >= 2
    # Ours averages over what the input's pixels cover, so that small things do not flicker; the original picks single
    # pixels. To compare, all is taken to pixels of the input.
    scale = max(image.shape) / 385
    middle = 0.5 * scale if theirs else 0.5
    for pose in found:
        other = min(expected, key=lambda other: np.abs(places(other) - places(pose)).mean())
        scores = np.array([[k["score"] for k in p["keypoints"]] for p in (pose, other)])
        sure = (scores > 0.5).all(axis=0)
        off = np.hypot(*(places(pose) - middle - places(other)).T)[sure] / scale
        gaps = np.abs(np.subtract(*scores))[sure]
        print(f"\n{name}: {sure.sum()} sure keypoints off by {off.mean():.2f} px of the input,", end=" ")
        print(f"{off.max():.2f} at most, scores by {gaps.max():.3f}", end="")
        assert sure.sum() >= 4
        assert off.max() < (0.05 if theirs else 9)
        assert off.mean() < (0.02 if theirs else 3)
