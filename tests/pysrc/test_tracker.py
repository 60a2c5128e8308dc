"""Ids: the original's similarities and limits, and people who cross or hide for a moment."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodylens.frame import Frame
from bodylens.people import People
from bodylens.topology import COCO
from bodylens.tracker import Identities, Sightings, Tracker, Tracks, iou, nearness, oks, tracker_of

FALLOFF = np.full(4, 0.1, np.float32)


def points(*persons):
    """Four keypoints a person, each (x, y, score)."""
    array = np.array(persons, np.float32).reshape(len(persons), -1, 3)
    boxes = np.concatenate([array[..., :2].min(1), np.ptp(array[..., :2], axis=1)], axis=1)
    return Sightings(boxes, array[..., :2], array[..., 2])


def boxes(*persons):
    array = np.array(persons, np.float32).reshape(-1, 4)
    return Sightings(array, np.empty((len(array), 0, 2), np.float32), np.empty((len(array), 0), np.float32))


def test_oks_is_that_of_the_original():
    new = points([(0.2, 0.2, 1), (0.4, 0.4, 0.8), (0.6, 0.6, 0.1), (0.8, 0.7, 0.8)])
    old = points([(0.2, 0.2, 1), (0.4, 0.4, 0.8), (0.6, 0.6, 0.9), (0.8, 0.8, 0.8)])
    want = (1 + 1 + np.exp(-(0.1**2) / (2 * 0.6 * 0.6 * 0.2**2))) / 3
    assert oks(FALLOFF, 0.2, 2)(new, old)[0, 0] == pytest.approx(want, abs=1e-5)


def test_oks_is_0_with_too_few_sure_keypoints():
    new = points([(0.2, 0.2, 1), (0.4, 0.4, 0.1), (0.6, 0.6, 0.9), (0.8, 0.8, 0.8)])
    old = points([(0.2, 0.2, 1), (0.4, 0.4, 0.8), (0.6, 0.6, 0.1), (0.8, 0.8, 0.0)])
    assert oks(FALLOFF, 0.2, 2)(new, old)[0, 0] == 0


def test_iou_of_boxes():
    got = iou(boxes([0, 0, 0.4, 0.4], [0.8, 0.8, 0.1, 0.1]), boxes([0.2, 0, 0.4, 0.4], [0, 0, 0.4, 0.4]))
    np.testing.assert_allclose(got, [[1 / 3, 1], [0, 0]], rtol=1e-5)


def follow(tracker, frames, rate=30.0, keypoints=0):
    """Track frame by frame; gives the ids of each."""
    tracks, out = Tracks.none(keypoints), []
    for i, seen in enumerate(frames):
        ids, tracks = tracker.step(tracks, seen, i / rate)
        out.append(ids.tolist())
    return out


def test_ids_count_from_1_and_stay_whatever_the_order():
    a, b = [0.1, 0.1, 0.2, 0.5], [0.6, 0.1, 0.2, 0.5]
    assert follow(Tracker(iou), [boxes(a), boxes(a, b), boxes(b, a), boxes(b)]) == [[1], [1, 2], [2, 1], [2]]


def test_someone_unseen_for_longer_than_max_age_is_a_new_person():
    a, nobody = [0.1, 0.1, 0.2, 0.5], boxes()
    assert follow(Tracker(iou, max_age=0.5), [boxes(a), nobody, boxes(a)], rate=5)[-1] == [1]
    assert follow(Tracker(iou, max_age=0.3), [boxes(a), nobody, nobody, boxes(a)], rate=5)[-1] == [2]


def test_someone_who_missed_one_frame_is_remembered_however_slow_the_frames_come_but_not_over_a_pause():
    a, nobody = [0.1, 0.1, 0.2, 0.5], boxes()
    frames = [boxes(a), boxes(a), nobody, boxes(a)]
    assert follow(Tracker(iou), frames, rate=0.5)[-1] == [1]
    assert follow(Tracker(iou), frames, rate=0.1) == [[1], [2], [], [3]]


def test_only_the_freshest_tracks_are_remembered():
    apart = [[x / 10, 0, 0.05, 0.05] for x in range(8)]
    tracker, tracks = Tracker(iou, max_tracks=3), Tracks.none(0)
    for i in range(8):
        _, tracks = tracker.step(tracks, boxes(apart[i]), i / 30)
    assert tracks.ids.tolist() == [8, 7, 6]


def test_time_that_jumps_back_begins_anew_without_using_ids_again():
    tracker, tracks = Tracker(iou), Tracks.none(0)
    a = boxes([0.1, 0.1, 0.2, 0.5])
    _, tracks = tracker.step(tracks, a, 10.0)
    ids, _ = tracker.step(tracks, a, 0.0)
    assert ids.tolist() == [2]


def test_what_is_remembered_is_not_changed_by_a_step():
    tracker = Tracker(iou)
    _, tracks = tracker.step(Tracks.none(0), boxes([0.1, 0.1, 0.2, 0.5]), 0.0)
    before = tracks.last.boxes.copy()
    tracker.step(tracks, boxes([0.15, 0.1, 0.2, 0.5]), 0.1)
    np.testing.assert_array_equal(tracks.last.boxes, before)
    assert tracks.ids.tolist() == [1]


def walkers(frames, hidden=()):
    """Two people who walk through each other; who is `hidden` (person, first, last frame) is not seen."""
    skeleton = np.random.default_rng(0).uniform(0, 1, (2, 17, 2)).astype(np.float32) * (0.12, 0.5)
    for i in range(frames):
        at = i / (frames - 1)
        origins = np.array([[0.1 + 0.7 * at, 0.2], [0.8 - 0.7 * at, 0.25]], np.float32)
        keypoints = (skeleton + origins[:, None]).astype(np.float32)
        box = np.concatenate([keypoints.min(1), np.ptp(keypoints, axis=1)], axis=1)
        seen = [p for p in (0, 1) if not any(p == who and first <= i <= last for who, first, last in hidden)]
        # The order of a network's output says nothing.
        order = seen[::-1] if i % 3 == 0 else seen
        yield order, Sightings(box[order], keypoints[order], np.ones((len(order), 17), np.float32))


@pytest.mark.parametrize("similarity", [iou, oks(COCO.sigmas)], ids=["boxes", "keypoints"])
@pytest.mark.parametrize(
    "hidden", [(), ((1, 12, 18),), ((0, 13, 17), (1, 20, 24))], ids=["all seen", "one hides while they cross", "both"]
)
def test_people_who_cross_and_hide_for_a_moment_keep_their_ids(similarity, hidden):
    orders, frames = zip(*walkers(31, hidden), strict=True)
    ids = follow(Tracker(similarity), frames, keypoints=17)
    first = dict(zip(orders[0], ids[0], strict=True))
    for order, given_ids in zip(orders, ids, strict=True):
        assert given_ids == [first[person] for person in order]


def test_a_fragment_of_a_person_does_not_take_their_id():
    whole, fragment = posed((0.5, 0.5), 0), posed((0.5, 0.5), 0)
    fragment.keypoints[0, :3] += 0.2
    raised = posed((0.5, 0.5), 0)
    raised.keypoints[0, :3] += 0.15  # more like the fragment of before than like the person
    tracker, sure = tracker_of("keypoint", 1.0, 18), np.array([True, False])
    ids, tracks = tracker.step(Tracks.none(17), whole.joined(fragment), 0.0, sure=sure)
    assert ids.tolist() == [1, 2]
    ids, tracks = tracker.step(tracks, raised.joined(whole), 0.1, sure=sure)
    assert ids.tolist() == [1, 2]
    # Who is alone and half hidden is still themselves.
    alone, _ = tracker.step(tracks, raised, 0.2, sure=np.array([False]))
    assert alone.tolist() == [1]
    ids, tracks = tracker.step(Tracks.none(17), whole.joined(fragment), 0.0)
    ids, _ = tracker.step(tracks, raised.joined(whole), 0.1)
    assert ids.tolist() == [2, 1]


def found(*persons):
    """People of one shape as a system of many poses gives them, each (x, score, score of the keypoints)."""
    shape = np.random.default_rng(0).uniform(0, 1, (17, 2)).astype(np.float32) * (80, 240)
    at, scores, sure = np.array(persons, np.float32).T
    keypoints = (shape + np.stack([at, np.full_like(at, 120)], axis=1)[:, None]).astype(np.float32)
    box = np.concatenate([keypoints.min(1), np.ptp(keypoints, axis=1)], axis=1)
    each = np.repeat(sure[:, None], 17, axis=1)
    return People(Frame(0, 0.0, 640, 480), np.zeros(len(at), np.int32), scores, box, keypoints, each, names=COCO.names)


def test_a_second_pose_on_a_person_does_not_take_the_id_of_whoever_is_half_hidden_beside_them():
    identities = Identities(tracker_of("keypoint", 1.0, 60))
    assert identities.named(found((240, 0.9, 0.9), (300, 0.9, 0.9))).ids.tolist() == [1, 2]
    # The second pose looks more like whom it lies beside than what is left of them; but its keypoints are the first's.
    first, second, hidden = (262, 0.9, 0.9), (290, 0.12, 0.9), (303, 0.12, 0.12)
    later = replace(found(first, second, hidden), frame=Frame(1, 0.1, 640, 480))
    assert identities.named(later).ids.tolist() == [1, 3, 2]


@settings(deadline=None)
@given(st.permutations(range(5)))
def test_ids_do_not_depend_on_the_order_of_detections(order):
    apart = np.array([[0.2 * x, 0.1, 0.1, 0.4] for x in range(5)], np.float32)
    tracker = Tracker(iou)
    ids, tracks = tracker.step(Tracks.none(0), boxes(*apart), 0.0)
    again, _ = tracker.step(tracks, boxes(*(apart[order] + np.float32([0.01, 0, 0, 0]))), 0.1)
    assert again.tolist() == ids[list(order)].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tracks": 0}, "max_tracks must be a whole number of at least 1"),
        ({"max_age": 0}, "max_age must be a number above 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Tracker(iou, **options)


def test_nearness_is_1_for_the_same_box_and_falls_with_distance_and_size():
    here = [0.4, 0.2, 0.2, 0.4]
    others = boxes(here, [0.5, 0.2, 0.2, 0.4], [0.8, 0.2, 0.2, 0.4], [0.45, 0.3, 0.1, 0.2])
    same, near, far, small = nearness(boxes(here), others)[0]
    assert same == pytest.approx(1)
    assert 1 > near > far > 0
    assert small == pytest.approx(0.5, abs=1e-3)


def test_someone_followed_far_is_the_same_person_but_the_wrong_one_of_two_is_not_believed():
    a, b = [0.1, 0.1, 0.2, 0.5], [0.6, 0.1, 0.2, 0.5]
    tracker = Tracker(iou)
    ids, tracks = tracker.step(Tracks.none(0), boxes(a), 0.0)
    far, _ = tracker.step(tracks, boxes(b), 0.1, ids)
    assert far.tolist() == [1]
    ids, tracks = tracker.step(Tracks.none(0), boxes(a, b), 0.0)
    swapped, _ = tracker.step(tracks, boxes(b), 0.1, ids[:1])
    assert swapped.tolist() == [2]


def posed(at, tilt, height=0.5):
    """Someone at a place in the frame in a pose that turns about the middle by `tilt`, radians, box unchanged."""
    skeleton = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2)) * (0.15, height)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    keypoints = (skeleton @ turn + at).astype(np.float32)[None]
    box = np.array([[at[0] - 0.08, at[1] - height / 2, 0.16, height]], np.float32)
    return Sightings(box, keypoints, np.ones((1, 17), np.float32))


def test_whoever_turns_is_nobody_new_unless_the_caller_is_strict_about_keypoints():
    frames = [posed((0.5, 0.5), 0), posed((0.5, 0.5), np.pi)]
    assert follow(tracker_of("keypoint", 1.0, 18), frames, keypoints=17) == [[1], [1]]
    assert follow(tracker_of("keypoint", 1.0, 18, 0.2), frames, keypoints=17) == [[1], [2]]
    away = [posed((0.5, 0.5), 0), posed((0.7, 0.5), np.pi)]
    assert follow(tracker_of("keypoint", 1.0, 18), away, keypoints=17) == [[1], [2]]
