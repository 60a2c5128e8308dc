"""Mask smoothing, against the definition that its polynomial approximates."""

import numpy as np

from bodylens.smoothing import blend_masks


def entropy_squared(p):
    """The uncertainty that the polynomial approximates, in bits."""
    return np.square(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def test_a_sure_cell_changes_at_once():
    new = np.array([[0.0, 1.0]], np.float32)
    previous = 1 - new
    np.testing.assert_allclose(blend_masks(previous, new, 1.0), new, atol=0.02)


def test_a_wholly_unsure_cell_keeps_its_value_at_ratio_one():
    new = np.full((1, 1), 0.5, np.float32)
    previous = np.full((1, 1), 0.9, np.float32)
    np.testing.assert_allclose(blend_masks(previous, new, 1.0), previous, atol=1e-6)


def test_ratio_zero_gives_the_new_mask():
    rng = np.random.default_rng(0)
    new, previous = rng.random((2, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(blend_masks(previous, new, 0.0), new)


def test_the_weight_follows_the_entropy():
    p = np.linspace(0.02, 0.98, 97, dtype=np.float32)[None]
    weight = blend_masks(np.zeros_like(p), p, 1.0)
    np.testing.assert_allclose(1 - weight / p, entropy_squared(p), atol=0.02)
