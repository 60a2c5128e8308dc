"""Run lengths of masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from bodylens import rle


def test_runs_go_down_the_columns_and_begin_with_false():
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert rle.encode(mask) == [2, 3, 1]
    assert rle.encode(~mask) == [0, 2, 3, 1]


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_decoding_undoes_encoding(mask):
    np.testing.assert_array_equal(rle.decode(rle.encode(mask), mask.shape[1], mask.shape[0]), mask)


def test_runs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="add up to 5, but the mask has 2 × 3"):
        rle.decode([2, 3], 2, 3)
