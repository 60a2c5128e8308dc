"""PoseNet and BodyPix in a real Chromium, called from a script in the page, against the same Python natively."""

import json
from pathlib import Path

import numpy as np
import pytest

import bodylens
from bodylens import bodypix, posenet
from bodylens_models import store

PICTURES = Path(__file__).parents[1] / "pictures"

POSES = """
import bodylens, json
detector = await bodylens.create_detector("{model}")
people = await detector.estimate_poses()
json.dumps(bodylens.to_record(people))
"""

POSES_OF_2018 = """
import bodylens, json
from bodylens import posenet
detector = await bodylens.create_detector("{model}", input_resolution=257)
json.dumps(await posenet.estimate_multiple_poses(detector, None, 0.5))
"""

PARTS = """
import bodylens, json, numpy as np
segmenter = await bodylens.create_segmenter("bodypix-050", segment_body_parts=True, multi_segmentation=True)
people = await segmenter.segment_people()
parts = people.segmentation.parts((240, 240))
json.dumps([parts.tolist(), people.segmentation.instances((240, 240)).tolist()])
"""


@pytest.fixture
def ready():
    def ready(*labels):
        for label in labels:
            name, _, variant = label.partition("+")
            if store.state(name, variant or None).state != "ready":
                pytest.skip(f"{label} has not been fetched: bodylens models fetch {name}")

    return ready


@pytest.fixture(scope="module")
def picture():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


@pytest.fixture
def page(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    return opened.page


def python(page, code):
    return json.loads(page.evaluate("code => bodylens.python(code)", code))


@pytest.mark.parametrize("model", ["posenet-075", "bodypix-050"])
def test_poses_in_the_page_are_those_found_natively(ready, page, picture, model):
    ready(model)
    found = python(page, POSES.format(model=model))["people"]
    native = bodylens.to_record(bodylens.create_detector(model).estimate_poses(picture))["people"]
    assert len(found) == len(native) >= 1
    for here, there in zip(found, native, strict=True):
        assert here["score"] == pytest.approx(there["score"], abs=0.05)
        sure = [k["score"] > 0.6 for k in there["keypoints"]]
        gaps = [
            np.hypot(a["x"] - b["x"], a["y"] - b["y"])
            for a, b, counts in zip(here["keypoints"], there["keypoints"], sure, strict=True)
            if counts
        ]
        assert np.median(gaps) < 5


def test_the_calls_of_2018_work_in_the_page(ready, page, picture):
    ready("posenet-075", "posenet-075+small", "posenet-075+large")
    poses = python(page, POSES_OF_2018.format(model="posenet-075"))
    native = posenet.estimate_multiple_poses(bodylens.create_detector("posenet-075"), picture, 0.5)
    assert len(poses) >= 1
    assert poses[0]["keypoints"][0]["part"] == native[0]["keypoints"][0]["part"] == "nose"


def test_parts_in_the_page_are_those_found_natively(ready, page, picture):
    ready("bodypix-050")
    parts, people = (np.array(labels) for labels in python(page, PARTS))
    net = bodylens.create_segmenter("bodypix-050", segment_body_parts=True, multi_segmentation=True)
    native = net.segment_people(picture).segmentation
    assert ((parts >= 0) == (native.parts((240, 240)) >= 0)).mean() > 0.97
    both = (parts >= 0) & (native.parts((240, 240)) >= 0)
    assert both.mean() > 0.2
    assert (parts == native.parts((240, 240)))[both].mean() > 0.9
    assert (people == native.instances((240, 240))).mean() > 0.95
    assert len(bodypix.PART_NAMES) == 24
