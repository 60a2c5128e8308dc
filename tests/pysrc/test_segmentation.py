"""Maps of persons, parts and people from coarse grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted import standing

from bodylens import Frame, Region
from bodylens.instances import FAR, distances
from bodylens.personlab import Poses
from bodylens.segmentation import Segmentation

FRAME = Frame(0, 0.0, 36, 28)


def plainly(plane, region, frame, width, height):
    """Sample a grid at the middle of each pixel, one by one."""
    rows, columns = plane.shape
    out = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            u = ((j + 0.5) * frame.width / width - region.x) / region.width + 0.5
            v = ((i + 0.5) * frame.height / height - region.y) / region.height + 0.5
            x, y = np.clip(u * columns - 0.5, 0, columns - 1), np.clip(v * rows - 0.5, 0, rows - 1)
            a, b = min(int(x), max(columns - 2, 0)), min(int(y), max(rows - 2, 0))
            c, d = min(a + 1, columns - 1), min(b + 1, rows - 1)
            top = plane[b, a] * (1 - (x - a)) + plane[b, c] * (x - a)
            low = plane[d, a] * (1 - (x - a)) + plane[d, c] * (x - a)
            out[i, j] = top * (1 - (y - b)) + low * (y - b)
    return out


@given(
    st.integers(0, 1000),
    st.sampled_from([(5, 6), (1, 1), (1, 4), (9, 2)]),
    st.sampled_from([None, (18, 14), (13, 40)]),
    st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_logits_are_resized_and_then_compared_pixel_by_pixel(seed, shape, size, mirrored):
    rng = np.random.default_rng(seed)
    region = Region(19, 13, -48 if mirrored else 48, 32)
    logits = rng.normal(0.5, 2, shape).astype(np.float32)
    parts = rng.normal(0, 2, (5, *shape)).astype(np.float32)
    maps = Segmentation(FRAME, region, logits, 0.6, parts, -parts[:3])
    width, height = size or (36, 28)
    chances = 1 / (1 + np.exp(-plainly(logits, region, FRAME, width, height)))
    sampled = np.stack([plainly(part, region, FRAME, width, height) for part in parts])
    np.testing.assert_allclose(maps.probabilities(size), chances, atol=1e-4)
    sure = np.abs(chances - 0.6) > 1e-4
    np.testing.assert_array_equal(maps.person(size)[sure], (chances > 0.6)[sure])
    for got, planes in ((maps.parts(size), sampled), (maps.instances(size), sampled[:3])):
        assert got.dtype == np.int32
        assert (got[~maps.person(size)] == -1).all()
        best = np.sort(planes, axis=0)
        clear = maps.person(size) & (best[-1] - best[-2] > 1e-4)
        np.testing.assert_array_equal(got[clear], planes.argmax(axis=0)[clear])


@pytest.mark.parametrize("seed", range(3))
def test_of_many_people_the_nearest_one_is_found_at_every_pixel(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:9, :11].astype(np.float32)
    at = rng.uniform(0, 10, (30, 2, 1, 1))
    far = ((x - at[:, 0]) ** 2 + (y - at[:, 1]) ** 2).astype(np.float32) * 100
    far[7], far[20] = far[3], FAR
    region = Region.whole(36, 28)
    maps = Segmentation(FRAME, region, np.full((9, 11), 9, np.float32), 0.5, distances=far)
    sampled = np.stack([plainly(plane.astype(np.float64), region, FRAME, 72, 56) for plane in far])
    best = np.sort(sampled, axis=0)
    clear = best[1] - best[0] > 1e-3
    got = maps.instances((72, 56))
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(got[clear], sampled.argmin(axis=0)[clear])
    assert not (got == 7).any()


def test_what_is_no_number_wins_nowhere():
    logits, parts = np.full((6, 7), 4, np.float32), np.zeros((3, 6, 7), np.float32)
    parts[1] = 2
    logits[:, 0] = parts[1, :, 4:] = parts[2] = np.nan
    maps = Segmentation(FRAME, Region.whole(36, 28), logits, 0.5, parts)
    assert not maps.person()[:, :3].any()
    assert maps.person()[:, 12:].all()
    assert (maps.parts()[:, 12:18] == 1).all()
    assert (maps.parts()[:, 25:] == 0).all()


def test_labels_are_never_mixed():
    parts = np.full((24, 2, 2), -5, np.float32)
    parts[2, :, 0] = parts[20, :, 1] = 5
    maps = Segmentation(FRAME, Region.whole(36, 28), np.full((2, 2), 9, np.float32), 0.5, parts)
    assert np.unique(maps.parts()).tolist() == [2, 20]


def test_what_the_network_was_not_asked_for_is_said():
    maps = Segmentation(FRAME, Region.whole(36, 28), np.zeros((2, 2), np.float32), 0.5)
    with pytest.raises(LookupError, match="segment_body_parts=True"):
        maps.parts()
    with pytest.raises(LookupError, match="multi_segmentation=True"):
        maps.instances()


def test_without_people_every_pixel_belongs_to_nobody():
    logits = np.full((3, 3), 9, np.float32)
    maps = Segmentation(FRAME, Region.whole(36, 28), logits, 0.5, distances=np.empty((0, 3, 3), np.float32))
    assert (maps.instances() == -1).all()


@pytest.mark.parametrize("threshold", [0, 1])
def test_the_ends_of_the_threshold_hold(threshold):
    maps = Segmentation(FRAME, Region.whole(36, 28), np.zeros((2, 2), np.float32), threshold)
    assert maps.person().all() == (threshold == 0)


def painted_offsets(poses, shape, stride):
    """Long offsets of a perfect network: each cell points to the person whose middle is nearest."""
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32) * stride
    owner = np.stack([np.hypot(x - p[:, 0].mean(), y - p[:, 1].mean()) for p in poses]).argmin(axis=0)
    offsets = np.empty((34, height, width), np.float32)
    for k in range(17):
        offsets[k] = poses[owner, k, 1] - y
        offsets[k + 17] = poses[owner, k, 0] - x
    return offsets, owner


@pytest.mark.parametrize("steps", [1, 10, 20])
@pytest.mark.parametrize("stride", [8, 16])
def test_every_cell_is_nearest_to_the_person_that_it_points_to(steps, stride):
    poses = np.stack([standing(120.3, 200.2), standing(420.7, 220.1), standing(280.9, 330.4)])
    shape = (448 // stride + 1, 576 // stride + 1)
    offsets, owner = painted_offsets(poses, shape, stride)
    scores = np.full((3, 17), 0.9, np.float32)
    near = np.ones(shape, bool)
    far = distances(offsets, Poses(poses, scores, scores[:, 0]), stride, near, refine_steps=steps)
    assert (far.argmin(axis=0) == owner).mean() > 0.97
    assert np.median(far.min(axis=0)) < 1


def test_unsure_keypoints_draw_nobody():
    poses = np.stack([standing(120, 200), standing(420, 220)])
    offsets, _ = painted_offsets(poses, (20, 30), 16)
    scores = np.full((2, 17), 0.9, np.float32)
    scores[1] = 0.2
    near = np.ones((20, 30), bool)
    near[0] = False
    far = distances(offsets, Poses(poses, scores, scores[:, 0]), 16, near, min_keypoint_score=0.3)
    assert (far[1] == FAR).all()
    assert (far[0, 0] == FAR).all()
    assert (far[0, 1:] < FAR).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_offsets_that_are_no_numbers_lead_to_nobody(bad):
    poses = standing(120, 200)[None]
    offsets, _ = painted_offsets(poses, (20, 30), 16)
    offsets[:, 5:] = bad
    scores = np.full((1, 17), 0.9, np.float32)
    far = distances(offsets, Poses(poses, scores, scores[:, 0]), 16, np.ones((20, 30), bool))
    assert np.isfinite(far).all()
    assert (far[0, 6:] == FAR).all()


def test_what_is_hidden_counts_from_half_the_threshold_on_and_where_it_is_nearly_as_probable():
    chances = np.array([[0.9, 0.5, 0.3, 0.1]], np.float32)
    logits = np.log(chances / (1 - chances))
    parts = np.full((24, 1, 4), -5, np.float32)
    parts[0], parts[12] = 1.5, [[2.0, 2.0, 2.0, 2.0]]
    maps = Segmentation(Frame(0, 0, 4, 1), Region.whole(4, 1), logits, 0.7, parts)
    assert maps.parts().tolist() == [[12, -1, -1, -1]]
    assert maps.hidden((0, 1)).tolist() == [[True, True, False, False]]
    assert not maps.hidden((5,)).any()
    assert Segmentation(Frame(0, 0, 4, 1), Region.whole(4, 1), logits, 0.5).hidden((0,)).tolist() == [[1, 1, 1, 0]]
