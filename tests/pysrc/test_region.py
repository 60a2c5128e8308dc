"""Regions and their transforms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodylens import Region

lengths = st.floats(1, 5000)
places = st.floats(-3000, 3000)
regions = st.builds(Region, places, places, lengths, lengths, st.floats(-7, 7))


def test_the_whole_frame_takes_the_unit_square_to_the_frame():
    corners = Region.whole(640, 480).to_frame(np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]))
    np.testing.assert_allclose(corners, [[0, 0], [640, 480], [320, 240]])


def test_a_quarter_turn_is_clockwise_on_the_screen():
    turned = Region(100, 100, 20, 40, math.pi / 2)
    # What is up in the region (v = 0) lies to the right in the frame.
    np.testing.assert_allclose(turned.to_frame(np.array([0.5, 0.0])), [120, 100], atol=1e-9)


@given(regions, st.floats(-2, 3), st.floats(-2, 3))
def test_there_and_back_is_where_it_was(region, u, v):
    point = np.array([u, v])
    np.testing.assert_allclose(region.from_frame(region.to_frame(point)), point, atol=1e-6)


@given(regions, st.floats(0, 1), st.floats(0, 1))
def test_the_matrix_says_the_same_as_to_frame(region, u, v):
    np.testing.assert_allclose(region.matrix() @ [u, v, 1], region.to_frame(np.array([u, v])), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [((640, 480), 1.0, (640, 640)), ((480, 640), 1.0, (640, 640)), ((640, 480), 16 / 9, (480 * 16 / 9, 480))],
)
def test_a_letterbox_only_grows(size, aspect, expected):
    boxed = Region.whole(*size).letterboxed(aspect)
    assert (boxed.width, boxed.height) == pytest.approx(expected)
    assert (boxed.x, boxed.y) == (size[0] / 2, size[1] / 2)


def test_bounds_are_the_upright_box_of_the_turned_corners():
    x, y, w, h = Region(10, 10, 10, 10, math.pi / 4).bounds()
    side = 10 * math.sqrt(2)
    assert (x, y, w, h) == pytest.approx((10 - side / 2, 10 - side / 2, side, side))


def test_depth_scales_with_the_width():
    points = np.array([[0.5, 0.5, 0.25]])
    region = Region(50, 50, 40, 80)
    np.testing.assert_allclose(region.to_frame(points)[0], [50, 50, 10])
    np.testing.assert_allclose(region.from_frame(region.to_frame(points)), points)


@given(regions, st.floats(0, 1), st.floats(0, 1))
def test_a_region_within_another_lies_where_it_lay(other, u, v):
    region = Region(other.x + 5, other.y - 3, other.width / 2, other.height / 2, other.rotation)
    cells = region.within(other, 64, 64)
    there = cells.to_frame(np.array([u, v])) / 64
    np.testing.assert_allclose(there, other.from_frame(region.to_frame(np.array([u, v]))), atol=1e-5)
