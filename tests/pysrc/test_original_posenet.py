"""PoseNet against PoseNet: ours under CPython, and its authors' package under node, with the same weights."""

import json
import subprocess

import numpy as np
import original_posenet
import pytest
from original_posenet import FOLDER

import bodylens
from bodylens.personlab import decode_multiple
from bodylens.posenet import heads_of, to_poses
from bodylens_models import catalogue, store


@pytest.fixture(scope="module")
def weights():
    return original_posenet.weights()


@pytest.fixture(scope="module")
def original(weights, tmp_path_factory):
    """Run the authors' package on a picture; its poses of one person and of many."""
    node = original_posenet.installed()
    folder = tmp_path_factory.mktemp("original")

    def run(image, **options):
        (folder / "image.rgb").write_bytes(np.ascontiguousarray(image).tobytes())
        request = {
            "model": str(weights[0]),
            "shards": [str(path) for path in weights[1:]],
            "image": str(folder / "image.rgb"),
            "width": image.shape[1],
            "height": image.shape[0],
            "resolution": 385,
            "stride": 16,
            "options": options,
        }
        (folder / "request.json").write_text(json.dumps(request))
        done = subprocess.run(
            [node, str(FOLDER / "posenet.mjs"), str(folder / "request.json")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def two_people():
    return original_posenet.two_people()


@pytest.mark.parametrize("options", [{}, {"scoreThreshold": 0.2, "nmsRadius": 10, "maxDetections": 8}])
def test_poses_and_scores_are_those_of_the_original(original, two_people, options):
    expected = original(two_people, **options)
    ours = {"scoreThreshold": "score_threshold", "nmsRadius": "nms_radius", "maxDetections": "max_detections"}
    ours = {ours[name]: value for name, value in options.items()}
    many = to_poses(bodylens.create_detector("posenet-075", min_score=0, **ours).estimate_poses(two_people))
    (one,) = to_poses(
        bodylens.create_detector("posenet-075", decoding="single-person", min_score=0).estimate_poses(two_people)
    )
    assert len(many) == len(expected["multiple"]) >= 2
    for pose, theirs in zip([*many, one], [*expected["multiple"], expected["single"]], strict=True):
        original_posenet.hold_equal(pose, theirs)


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
