"""Decoding poses from heads that were painted from known poses."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import crowd, paint, standing

from bodylens.personlab import CHAIN, EDGES, KEYPOINTS, Heads, decode_multiple, decode_single, logit, sigmoid


def by_the_book(heads, most, threshold, radius):
    """Decode one person after another with plain loops, as the paper tells it."""
    scores = 1 / (1 + np.exp(-heads.heat.astype(np.float64)))
    count, height, width = scores.shape

    def cell(x, y):
        row = min(max(int(np.floor(y / heads.stride + 0.5)), 0), height - 1)
        return row, min(max(int(np.floor(x / heads.stride + 0.5)), 0), width - 1)

    def pulled(row, column, k):
        offsets = heads.offsets
        return (
            column * heads.stride + float(offsets[k + KEYPOINTS, row, column]),
            row * heads.stride + float(offsets[k, row, column]),
        )

    queue = []
    for row in range(height):
        for column in range(width):
            for k in range(count):
                window = heads.heat[k, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                if scores[k, row, column] >= threshold and not (window > heads.heat[k, row, column]).any():
                    queue.append((row, column, k))
    queue.sort(key=lambda c: -heads.heat[c[2], c[0], c[1]])
    people = []
    for row, column, root in queue:
        x, y = pulled(row, column, root)
        if len(people) == most:
            break
        if any((p[root][0] - x) ** 2 + (p[root][1] - y) ** 2 <= radius**2 for p, _ in people):
            continue
        pose = {root: (x, y)}
        said = {root: scores[root, row, column]}
        ways = [(e, c, p, heads.backward) for e, (p, c) in reversed(list(enumerate(CHAIN)))]
        ways += [(e, p, c, heads.forward) for e, (p, c) in enumerate(CHAIN)]
        for edge, source, target, head in ways:
            if source in pose and target not in pose:
                at = cell(*pose[source])
                x = pose[source][0] + float(head[edge + EDGES][at])
                y = pose[source][1] + float(head[edge][at])
                for _ in range(2):
                    x, y = pulled(*cell(x, y), target)
                pose[target] = (x, y)
                said[target] = scores[target][cell(x, y)]
        free = [
            said[k]
            for k in range(count)
            if not any((p[k][0] - pose[k][0]) ** 2 + (p[k][1] - pose[k][1]) ** 2 <= radius**2 for p, _ in people)
        ]
        people.append(([pose[k] for k in range(count)], sum(free) / count))
    return people


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_one_person_comes_back_as_painted(stride):
    pose = standing(310.3, 260.7, 2)
    heads = paint([pose], [0.9], (512 // stride + 1, 640 // stride + 1), stride)
    for found in (decode_single(heads), decode_multiple(heads)):
        assert len(found) == 1
        np.testing.assert_allclose(found.keypoints[0], pose, atol=0.5)
        np.testing.assert_allclose(found.scores, [0.9], atol=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_everybody_in_a_crowd_comes_back_the_surest_first(seed, n):
    rng = np.random.default_rng(seed)
    poses = crowd(rng, n)
    scores = rng.permutation(np.linspace(0.6, 0.95, n)).astype(np.float32)
    found = decode_multiple(paint(poses, scores), max_detections=20)
    order = np.argsort(-scores)
    assert len(found) == n
    np.testing.assert_allclose(found.keypoints, poses[order], atol=0.5)
    # Halfway between two cells, rounding may read the score of the other one.
    np.testing.assert_allclose(found.scores, scores[order], atol=0.15)


@given(st.integers(0, 10_000), st.integers(0, 9), st.sampled_from([(9, 9), (5, 12), (1, 7)]))
@settings(max_examples=30, deadline=None)
def test_noise_is_decoded_as_plain_loops_do(seed, people, shape):
    rng = np.random.default_rng(seed)
    heat = rng.normal(-1, 2, (KEYPOINTS, *shape)).astype(np.float32)
    rest = [rng.normal(0, 30, (c, *shape)).astype(np.float32) for c in (34, 32, 32)]
    heads = Heads(heat, *rest, 16)
    found = decode_multiple(heads, max_detections=people + 1, score_threshold=0.4, nms_radius=25)
    expected = by_the_book(heads, people + 1, 0.4, 25)
    assert len(found) == len(expected)
    for i, (pose, score) in enumerate(expected):
        np.testing.assert_allclose(found.keypoints[i], pose, atol=1e-2)
        np.testing.assert_allclose(found.scores[i], score, atol=1e-5)


def test_no_more_people_than_asked_for():
    poses = crowd(np.random.default_rng(5), 8)
    assert len(decode_multiple(paint(poses, np.full(8, 0.8)), max_detections=3)) == 3


def test_a_pose_that_is_unsure_as_a_whole_is_nobody_and_takes_nobodys_place():
    scores = np.full((3, KEYPOINTS), 0.8, np.float32)
    scores[0] = 0.02
    scores[0, 0] = 0.95
    heads = paint([standing(100, 200), standing(300, 200), standing(500, 200)], scores)
    everybody = decode_multiple(heads)
    assert len(everybody) == 3
    assert everybody.scores[0] < 0.1
    for most in (1, 2, 5):
        found = decode_multiple(heads, most, min_score=0.2)
        rows = slice(1, 1 + most)
        np.testing.assert_array_equal(found.keypoints, everybody.keypoints[rows])
        np.testing.assert_array_equal(found.scores, everybody.scores[rows])
    assert len(decode_multiple(heads, min_score=0.9)) == 0


def test_people_below_the_threshold_are_not_started():
    poses = crowd(np.random.default_rng(6), 2)
    found = decode_multiple(paint(poses, [0.9, 0.55]), score_threshold=0.7)
    assert len(found) == 1
    np.testing.assert_allclose(found.keypoints[0], poses[0], atol=0.5)


def test_equal_scores_come_row_by_row():
    poses = np.stack([standing(150, 300), standing(450, 300), standing(300, 100)]).astype(np.float32)
    found = decode_multiple(paint(poses, np.full(3, 0.8)))
    np.testing.assert_allclose(found.keypoints, poses[[2, 0, 1]], atol=0.5)


def test_a_keypoint_that_an_earlier_person_has_counts_once():
    first, second = standing(200, 200), standing(300, 200)
    second[15:] = first[15:]
    found = decode_multiple(paint([first, second], [0.95, 0.9]), nms_radius=20)
    assert len(found) == 2
    assert found.scores[1] < found.keypoint_scores[1].mean() - 0.05


def test_keypoints_at_and_beyond_the_border_are_found():
    pose = standing(320, 20)
    found = decode_multiple(paint([pose], [0.9]))
    assert len(found) == 1
    np.testing.assert_allclose(found.keypoints[0], pose, atol=0.5)
    assert found.keypoints[0, 0, 1] < 0


def test_maps_without_anybody_give_nobody():
    nothing = Heads(*(np.full((c, 9, 9), v, np.float32) for c, v in ((17, -9), (34, 0), (32, 0), (32, 0))), 16)
    assert len(decode_multiple(nothing)) == 0
    assert decode_multiple(nothing).keypoints.shape == (0, 17, 2)
    assert decode_single(nothing).scores[0] < 1e-3


def test_flat_maps_are_decoded_as_plain_loops_do():
    zeros = Heads(*(np.zeros((c, 9, 9), np.float32) for c in (17, 34, 32, 32)), 16)
    found = decode_multiple(zeros, max_detections=4)
    expected = by_the_book(zeros, 4, 0.5, 20)
    np.testing.assert_allclose(found.keypoints, [pose for pose, _ in expected])
    np.testing.assert_allclose(found.scores, [score for _, score in expected], atol=1e-6)


@pytest.mark.parametrize("head", range(4))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_never_comes_out(head, bad):
    heads = paint([standing(150, 200), standing(450, 200)], [0.9, 0.8])
    arrays = [heads.heat, heads.offsets, heads.forward, heads.backward]
    arrays[head][:, :, :20] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many, one = decode_multiple(Heads(*arrays, 16)), decode_single(Heads(*arrays, 16))
    for found in (many, one):
        assert np.isfinite(found.keypoints).all()
        assert np.isfinite(found.keypoint_scores).all()
        assert np.isfinite(found.scores).all()
    assert np.abs(many.keypoints - (standing(450, 200))).max(axis=(1, 2)).min(initial=1e9) < 0.5
    arrays[head][:] = bad
    assert np.isfinite(decode_multiple(Heads(*arrays, 16)).keypoints).all()


def test_a_map_of_one_cell_is_one_person_at_it():
    heads = Heads(*(np.full((c, 1, 1), v, np.float32) for c, v in ((17, 2), (34, 3), (32, 50), (32, 50))), 16)
    found = decode_multiple(heads)
    assert len(found) == 1
    np.testing.assert_allclose(found.keypoints, np.full((1, 17, 2), 3))
    np.testing.assert_allclose(found.scores, sigmoid(np.float32(2)), rtol=1e-5)


def test_several_people_need_displacements():
    heads = paint([standing(150, 200)], [0.9])
    with pytest.raises(ValueError, match="these heads have none"):
        decode_multiple(Heads(heads.heat, heads.offsets, None, None, 16))


def test_logit_and_sigmoid_undo_each_other():
    for p in (0.01, 0.4, 0.5, 0.99):
        assert sigmoid(np.float32(logit(p))) == pytest.approx(p, abs=1e-6)
    assert logit(0) == -np.inf
    assert logit(1) == np.inf
