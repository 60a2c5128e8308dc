"""Poses in a real Chromium: our Python in the page against the originals' references and against itself natively."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from waiting import until

import bodylens
from bodylens_models import catalogue, store

PICTURES = Path(__file__).parents[1] / "pictures"
MEDIA = Path(__file__).parents[3] / "shared" / "media"
shared = pytest.mark.skipif(not MEDIA.is_dir(), reason="the reference pictures are not beside the checkout")
FIND = """
import bodylens, json
detector = await bodylens.create_detector("{model}", **json.loads('{options}'))
people = await detector.estimate()
json.dumps(bodylens.to_record(people))
"""
MASK = """
import base64, bodylens, numpy as np
segmenter = await bodylens.create_segmenter("blazepose-full", smooth_segmentation=False, flip_horizontal={flip})
people = await segmenter.segment_people()
mask = await people.read_mask()
[*mask.shape, base64.b64encode(np.round(mask * 255).astype(np.uint8).tobytes()).decode()]
"""


def found(page, model, **options):
    """Give the people whom a detector in the page finds, as records."""
    code = FIND.format(model=model, options=json.dumps(options))
    return json.loads(page.evaluate("code => bodylens.python(code)", code))["people"]


def points(person):
    return np.array([[point["x"], point["y"]] for point in person["keypoints"]])


@pytest.fixture
def athlete(visit, wait_state):
    opened = visit("?backend=wasm")
    wait_state(opened.page, "ready")
    opened.page.set_input_files("input[type=file] >> nth=0", MEDIA / "pose.jpg")
    wait_state(opened.page, "running")
    return opened.page


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("movenet-lightning", {}),
        ("movenet-thunder", {"heads": False}),
        ("movenet-multipose", {}),
        ("movenet-multipose", {"multi_pose_max_dimension": 192}),
    ],
    ids=["lightning", "thunder, decoded in the network", "multipose", "multipose, smaller"],
)
def test_movenet_in_the_page_is_movenet_natively(visit, wait_state, model, options):
    # First natively, which makes the networks ready that the page will ask for.
    native = bodylens.create_detector(model, **options).estimate(bodylens.read_picture(PICTURES / "astronaut.jpg"))
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    (person,) = found(opened.page, model, **options)
    sure = native.keypoint_scores[0] > 0.5
    off = np.linalg.norm(points(person) - native.keypoints[0], axis=1)[sure]
    print(f"\n{model}: at most {off.max():.1f} px from the native answer, {off.mean():.1f} on average")
    assert [point["name"] for point in person["keypoints"]] == list(native.names)
    assert off.mean() < 4  # the page scales pictures in another way


@shared
def test_blazepose_in_the_page_gives_the_reference_landmarks(athlete):
    want = np.array(json.loads((MEDIA / "pose_expected_blazepose.json").read_text())["landmarks_px"])
    for options in ({}, {"max_poses": 3, "enable_segmentation": True}):
        (person,) = found(athlete, "blazepose-full", **options)
        off = np.abs(points(person) - want)
        print(f"\nblazepose-full on pose.jpg in the page: at most {off.max():.1f} px off, {off.mean():.1f} on average")
        assert off.max() <= 15
        assert len(person["world"]) == 33
    (flipped,) = found(athlete, "blazepose-full", flip_horizontal=True)
    assert np.abs([999, 0] + points(flipped) * [-1, 1] - want).max() <= 15


@shared
@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flipped"])
def test_blazepose_in_the_page_gives_the_reference_mask(athlete, flip):
    want = bodylens.read_picture(MEDIA / "pose_segmentation.png")[..., 2] > 127
    want = want[:, ::-1] if flip else want
    height, width, text = athlete.evaluate("code => bodylens.python(code)", MASK.format(flip=flip))
    mask = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width) > 127
    iou = (mask & want).sum() / (mask | want).sum()
    print(f"\nblazepose-full on pose.jpg in the page: IoU {iou:.4f}")
    assert iou >= 0.94


@pytest.mark.parametrize(
    ("model", "options", "more"),
    [
        ("movenet-lightning", "", []),
        ("blazepose-lite", "", []),
        ("movenet-multipose", "&multi_pose_max_dimension=192", ["movenet-multipose+any-size"]),
    ],
    ids=["lightning", "blazepose", "multipose, smaller"],
)
def test_a_link_with_a_pose_model_runs_it_live(visit, wait_state, model, options, more):
    labels = [*catalogue.together([model]), *more]
    store.ensure_all((name, variant or None) for name, _, variant in (label.partition("+") for label in labels))
    opened = visit(f"?source=sample&backend=wasm&model={model}{options}")
    wait_state(opened.page, "running")
    until(opened.page, "bodylens.stats().frames.out > 3 && bodylens.latest().people.length === 1")
    (person,) = opened.page.evaluate("bodylens.latest()")["people"]
    if more:
        loaded = [request.url.rsplit("/", 1)[1] for request in opened.requests if "/models/movenet" in request.url]
        assert [name.split(".")[0] for name in loaded] == more, "no form that is not used"
    assert person["score"] > 0.3
    assert len(person["keypoints"]) in (17, 33)
