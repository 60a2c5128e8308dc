"""Crops and masks laid back, on pictures whose every pixel is known."""

import math

import numpy as np
import pytest

from bodylens import Region
from bodylens.native.crop import crop, lay


def ramp(width, height):
    """A picture whose red grows with x and green with y: pixel centres at x + 0.5 have the value x."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)


def test_a_crop_at_its_own_size_is_the_picture():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    taken = crop(image, Region.whole(32, 24), 32, 24, 0, 255)
    np.testing.assert_array_equal(taken[0].transpose(1, 2, 0), image)


def test_values_go_from_low_to_high():
    image = np.array([[[0, 51, 255]]], np.uint8)
    taken = crop(image, Region.whole(1, 1), 1, 1, -1, 1)
    np.testing.assert_allclose(taken.ravel(), [-1, -0.6, 1], atol=1e-6)


def test_outside_the_picture_is_black():
    image = np.full((10, 10, 3), 200, np.uint8)
    taken = crop(image, Region.whole(10, 10).scaled(3), 30, 30, 0, 255)
    assert taken[0, 0, 15, 15] == 200
    assert taken[0, :, 0, :].max() == 0


def test_a_turned_crop_samples_where_the_region_says():
    image = ramp(200, 200)
    region = Region(100, 90, 60, 60, math.radians(30))
    taken = crop(image, region, 60, 60, 0, 255)
    v, u = (np.mgrid[:60, :60] + 0.5) / 60
    expected = region.to_frame(np.stack([u, v], -1)) - 0.5
    np.testing.assert_allclose(taken[0, 0], expected[..., 0], atol=0.6)
    np.testing.assert_allclose(taken[0, 1], expected[..., 1], atol=0.6)


def test_a_large_picture_is_averaged_not_skipped_over():
    image = np.zeros((1024, 1024, 3), np.uint8)
    image[::2, ::2] = 252  # a quarter of all pixels
    taken = crop(image, Region.whole(1024, 1024), 64, 64, 0, 255)
    np.testing.assert_allclose(taken, 63, atol=1)


@pytest.mark.parametrize("region", [Region.whole(64, 48), Region(30, 20, 20, 10, 0.5)])
def test_a_mask_laid_back_lies_where_the_region_lies(region):
    laid = lay(np.ones((16, 16), np.float32), region, (64, 48), (64, 48))
    y, x = np.mgrid[:48, :64] + 0.5
    unit = region.from_frame(np.stack([x, y], -1))
    inside = (np.abs(unit - 0.5) < 0.4).all(-1)
    outside = (np.abs(unit - 0.5) > 0.6).any(-1)
    assert laid[inside].min() == 1
    assert not outside.any() or laid[outside].max() == 0
