"""PoseNet and BodyPix in a real Chromium, called from a script in the page, against the same Python natively."""

import json
from pathlib import Path

import numpy as np
import pytest

import bodylens
from bodylens import bodypix, posenet
from bodylens_models import store

PICTURES = Path(__file__).parents[1] / "pictures"

VARIANTS = {
    "posenet-075": ["", "+small", "+large", "+wide", "+stride8", "+stride32"],
    "bodypix-050": ["", "+small", "+stride8"],
}

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


@pytest.fixture(scope="module", autouse=True)
def troubles():
    """Make everything ready before a page asks what there is; why what is missing cannot be had, by label."""
    found = {}
    for label in (f"{model}{variant}" for model, variants in VARIANTS.items() for variant in variants):
        name, _, variant = label.partition("+")
        try:
            store.ensure(name, variant or None)
        except store.ModelUnavailable as error:
            found[label] = str(error)
    return found


@pytest.fixture
def ready(troubles):
    def ready(*labels):
        for label in labels:
            if label in troubles:
                pytest.skip(troubles[label])

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


OPTIONS = {
    "posenet-075+small": {"input_resolution": 257},
    "posenet-075+large": {"input_resolution": 600},
    "posenet-075+wide": {"input_resolution": (640, 360)},
    "posenet-075+stride8": {"output_stride": 8},
    "posenet-075+stride32": {"output_stride": 32},
    "bodypix-050+small": {"internal_resolution": "low"},
    "bodypix-050+stride8": {"output_stride": 8},
}


def test_every_size_and_stride_finds_in_the_page_whom_it_finds_natively(ready, page, picture):
    for label, options in OPTIONS.items():
        ready(label)
        model = label.partition("+")[0]
        detector = bodylens.create_detector(model, **options)
        assert detector.pipeline.ahead(bodylens.Frame(0, 0.0, picture.shape[1], picture.shape[0]))[0].model == label
        native = bodylens.to_record(detector.estimate_poses(picture))["people"]
        found = python(page, POSES.replace('"{model}"', f'"{model}", **{options!r}'))["people"]
        assert [person["id"] for person in found] == [person["id"] for person in native], label
        for here, there in zip(found, native, strict=True):
            assert here["score"] == pytest.approx(there["score"], abs=0.05), label


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
