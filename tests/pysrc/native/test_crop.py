"""Crops and masks laid back, on pictures whose every pixel is known."""

import math
from itertools import pairwise

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


@pytest.mark.parametrize("scale", [1, 2])
def test_an_average_is_that_of_all_pixels_below_a_pixel_of_the_input(scale):
    image = np.random.default_rng(0).integers(0, 256, (48 * scale, 64 * scale, 3), np.uint8)
    taken = crop(image, Region.whole(64 * scale, 48 * scale), 64, 48, 0, 255)
    blocks = image.reshape(48, scale, 64, scale, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(taken[0], blocks.transpose(2, 0, 1), atol=0.51)


def test_a_bilinear_sample_is_one_whatever_the_scale():
    image = np.random.default_rng(0).integers(0, 256, (5 * 48, 5 * 64, 3), np.uint8)
    taken = crop(image, Region.whole(5 * 64, 5 * 48), 64, 48, 0, 255, sampler="bilinear")
    np.testing.assert_array_equal(taken[0], image[2::5, 2::5].transpose(2, 0, 1))


@pytest.mark.parametrize("sampler", ["average", "bilinear"])
def test_a_frame_of_any_size_is_sampled_where_the_region_lies(sampler):
    image = np.zeros((3, 40_000, 3), np.uint8)
    image[:, 20_000:] = 200
    taken = crop(image, Region.whole(40_000, 3), 64, 64, 0, 255, sampler=sampler)
    np.testing.assert_array_equal(taken[0, 0, :, :31], 0)
    np.testing.assert_array_equal(taken[0, 0, :, 33:], 200)


def test_a_region_that_grows_a_little_is_sampled_a_little_differently():
    """A person who comes nearer passes all scales: where the sampling leaps, so do their keypoints."""
    image = np.random.default_rng(0).normal(128, 20, (1024, 1024, 3)).clip(0, 255).astype(np.uint8)
    sides = range(128, 640, 16)
    spread = [float(crop(image, Region(512, 512, side, side, 0.2), 128, 128, 0, 255).std()) for side in sides]
    assert max(a / b for a, b in pairwise(spread)) < 1.5
    assert spread[-1] < 0.55 * spread[0]


@pytest.mark.parametrize("region", [Region.whole(64, 48), Region(30, 20, 20, 10, 0.5)])
def test_a_mask_laid_back_lies_where_the_region_lies(region):
    laid = lay(np.ones((16, 16), np.float32), region, (64, 48), (64, 48))
    y, x = np.mgrid[:48, :64] + 0.5
    unit = region.from_frame(np.stack([x, y], -1))
    inside = (np.abs(unit - 0.5) < 0.4).all(-1)
    outside = (np.abs(unit - 0.5) > 0.6).any(-1)
    assert laid[inside].min() == 1
    assert not outside.any() or laid[outside].max() == 0
