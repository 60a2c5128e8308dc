"""A small part of what numpy must get right, for every Python that it is built for. Ends in JSON."""

import json

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

random = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    a = random.normal(size=(33, 33, 17)).astype(dtype)
    wide = a.astype(np.float64)
    eps = 8 * np.finfo(dtype).eps
    assert_allclose(1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-wide)), rtol=eps)
    assert_allclose(np.sqrt(np.abs(a)), np.abs(wide) ** 0.5, rtol=eps)
    assert_allclose(np.arctan2(a, a[::-1]), np.arctan2(wide, wide[::-1]), rtol=eps, atol=eps)
    assert_allclose(a.sum((0, 1)), [sum(column) for column in wide.reshape(-1, 17).T.tolist()], rtol=1e-4, atol=1e-3)
    # The SIMD loops against the same on lists, at lengths that fill no register.
    for n in (1, 3, 4, 5, 31, 33):
        x, y = a.ravel()[:n], a.ravel()[-n:]
        pairs = list(zip(x, y, strict=True))
        assert_array_equal(np.maximum(x, y), np.array([p if p > q else q for p, q in pairs], dtype))
        assert_array_equal(x + y, np.array([np.add(p, q) for p, q in pairs], dtype))
        assert_array_equal(x * y, np.array([np.multiply(p, q) for p, q in pairs], dtype))
        assert_array_equal(x < y, [float(p) < float(q) for p, q in pairs])
peaks = a.reshape(-1, 17).argmax(0)
assert_array_equal(np.take_along_axis(a.reshape(-1, 17), peaks[None], 0)[0], a.max((0, 1)))
assert_array_equal(np.argsort(-a[0, 0], kind="stable"), sorted(range(17), key=lambda i: -a[0, 0, i]))
assert np.isnan(np.maximum(np.float32([1, np.nan]), np.float32([np.nan, 2]))).all()
windows = np.lib.stride_tricks.sliding_window_view(a[..., 0], (3, 3))
assert windows.shape == (31, 31, 3, 3) and windows[5, 7].max() == a[5:8, 7:10, 0].max()
image = random.integers(0, 256, (64, 64, 3), np.uint8)
assert_array_equal((image.astype(np.float32) / 255 * 255).round().astype(np.uint8), image)
m = random.random((64, 64))
assert_allclose(m @ np.linalg.inv(m), np.eye(64), atol=1e-9)
assert_allclose(np.linalg.norm(m), (m**2).sum() ** 0.5)
assert_allclose(np.einsum("ij,jk->ik", m, m), m @ m)
assert_allclose(np.fft.ifft(np.fft.fft(m)).real, m)
assert_array_equal(np.packbits(m > 0.5, axis=1).shape, (64, 8))
assert np.dtype(int) == np.int32
try:
    m @ np.ones(3)
except ValueError as error:
    told = str(error)  # exceptions cross the border between the modules
json.dumps({"version": np.__version__, "told": told})
