"""People as arrays, and as records."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bodylens import Frame, Mask, People, Region, to_record
from bodylens.record import HEADER, pack

FRAME = Frame(7, 0.25, 100, 80)


def two(world=False):
    rng = np.random.default_rng(1)
    return People(
        FRAME,
        np.array([4, 9], np.int32),
        np.array([0.9, 0.5], np.float32),
        rng.random((2, 4), np.float32),
        rng.random((2, 3, 3), np.float32),
        rng.random((2, 3), np.float32),
        world=rng.random((2, 3, 3), np.float32) if world else None,
        names=("nose", "left_eye", "right_eye"),
    )


def test_persons_are_chosen_as_rows_of_an_array():
    people = two(world=True)
    assert people[0].ids.tolist() == [4]
    assert people[-1].ids.tolist() == [9]
    assert people[people.scores > 0.7].ids.tolist() == [4]
    assert people[[1, 0]].ids.tolist() == [9, 4]
    assert people[1:].world.shape == (1, 3, 3)
    with pytest.raises(IndexError, match="person 2 of 2"):
        people[2]


def test_nobody_has_no_rows_but_the_right_shapes():
    people = People.none(FRAME, ("nose",), dimensions=3)
    assert len(people) == 0
    assert people.keypoints.shape == (0, 1, 3)
    assert to_record(people) == {"frame": {"index": 7, "time": 0.25, "width": 100, "height": 80}, "people": []}


def test_a_record_names_every_keypoint_and_is_json():
    record = json.loads(json.dumps(to_record(two(world=True))))
    person = record["people"][0]
    assert person["id"] == 4
    assert [p["name"] for p in person["keypoints"]] == ["nose", "left_eye", "right_eye"]
    assert set(person["keypoints"][0]) == {"name", "x", "y", "z", "score"}
    assert set(person["world"][0]) == {"name", "x", "y", "z", "score"}
    assert len(person["box"]) == 4


def test_a_record_says_how_probably_a_keypoint_is_in_the_picture():
    people = replace(two(), presence=np.full((2, 3), 0.25, np.float32))
    points = [point for person in to_record(people)["people"] for point in person["keypoints"]]
    assert [point["presence"] for point in points] == [0.25] * 6
    assert pack(people)[-6:].tolist() == [0.25] * 6


def test_a_record_holds_a_mask_for_each_person():
    one, other = np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32)
    assert to_record(two(), None, [one, other])["masks"] == [
        {"width": 2, "height": 2, "rle": [0, 1, 2, 1]},
        {"width": 2, "height": 2, "rle": [4]},
    ]


def test_a_record_holds_the_mask_thresholded():
    mask = Mask(1, 2, 2, Region.whole(100, 80), "person", 0.6, 1, 0.9, (0, 0, 1, 1))
    people = People.none(FRAME)
    people = People(**{f: getattr(people, f) for f in people.__slots__} | {"masks": (mask,)})
    record = to_record(people, np.array([[0.9, 0.55], [0.1, 0.6]], np.float32))
    assert record["mask"] == {"width": 2, "height": 2, "rle": [0, 1, 2, 1]}


def test_packed_people_are_one_array_with_everything_in_it():
    people = two(world=True)
    packed = pack(people)
    assert packed[:HEADER].tolist() == [7, 0.25, 100, 80, 2, 3, 3, 1, 0, 0, 0]
    assert len(packed) == HEADER + 2 + 2 + 8 + 18 + 6 + 18
    np.testing.assert_array_equal(packed[-18:].reshape(2, 3, 3), people.world)


def test_asking_for_a_mask_that_is_not_there_says_how_many_there_are():
    with pytest.raises(LookupError, match="mask 0 was asked for, but this frame has 0 masks"):
        two().read_mask()
