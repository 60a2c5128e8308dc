"""Which of several people each cell of the grid belongs to.

BodyPix's long offsets point from every cell inside a person to that person's own 17 keypoints. Following them, and then
once more from where they end, gives the pose that the cell expects; the person whose pose is nearest to it owns the
cell.

ref: PersonLab, section 3.2, https://arxiv.org/abs/1803.08225; tfjs-models, body-pix/src/multi_person/
decode_multiple_masks_webgl.ts. There the offsets, which are pixels of the network's input, are added to pixels of the
frame; here all is in the input, as in the paper.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.personlab import KEYPOINTS, Poses

Float = NDArray[np.float32]

# What no pose can reach, yet finite, so that it can be mixed with others.
FAR = np.float32(1e12)


def distances(
    long_offsets: Float,
    poses: Poses,
    stride: int,
    near: NDArray[np.bool_],
    min_keypoint_score: float = 0.3,
    refine_steps: int = 10,
) -> Float:
    """Say how far each person is from the pose that each cell expects.

    Args:
        long_offsets: (34, h, w) float32, pixels of the input: 17 in y, then 17 in x.
        poses: n people, in pixels of the input.
        stride: pixels of the input from cell to cell.
        near: (h, w) bool, the cells that matter; the others are far from everybody.
        min_keypoint_score: only a person's keypoints above it are compared.
        refine_steps: how often the offsets are followed on from where they ended.

    Returns:
        (n, h, w) float32, the mean squared distance over the compared keypoints, pixels² of the input.

    """
    height, width = near.shape
    out = np.full((len(poses), height, width), FAR, np.float32)
    at = np.flatnonzero(near).astype(np.int32)
    if not len(poses) or not at.size:
        return out
    expected = _expected(long_offsets, at, stride, refine_steps)
    flat = out.reshape(len(poses), -1)
    for person, (keypoints, scores) in enumerate(zip(poses.keypoints, poses.keypoint_scores, strict=True)):
        counted = np.flatnonzero(scores > min_keypoint_score)
        if counted.size:
            gap = expected.take(counted, axis=0) - keypoints.take(counted, axis=0)[:, :, None]
            gap *= gap
            flat[person, at] = gap.sum(axis=(0, 1)) / np.float32(counted.size)
    out[~np.isfinite(out)] = FAR
    return out


def _expected(long_offsets: Float, at: NDArray[np.int32], stride: int, refine_steps: int) -> Float:
    """Follow the long offsets from cells (m,); gives (17, 2, m) float32, x and y in pixels of the input."""
    _, height, width = long_offsets.shape
    area = np.int32(height * width)
    field = (long_offsets * np.float32(1 / stride)).reshape(-1)
    rows, columns = np.divmod(at, np.int32(width))
    base = np.arange(KEYPOINTS, dtype=np.int32)[:, None] * area
    y = field.take(base + at) + rows
    x = field.take(base + KEYPOINTS * area + at) + columns
    with np.errstate(invalid="ignore"):
        for _ in range(refine_steps):
            down, across = _sampled(field, x, y, base, width, height)
            y += down
            x += across
    out = np.stack([x, y], axis=1)
    out *= np.float32(stride)
    return out


def _sampled(field: Float, x: Float, y: Float, base: Any, width: int, height: int) -> tuple[Float, Float]:  # noqa: ANN401
    """Sample the two components of a field (34 * h * w,) bilinearly at points (17, m), the border repeated."""
    area = np.int32(height * width)
    # fmin and fmax take what is no number to the border; it stays no number in the sum.
    x = np.fmax(np.fmin(x, np.float32(width - 1)), np.float32(0))
    y = np.fmax(np.fmin(y, np.float32(height - 1)), np.float32(0))
    left, top = x.astype(np.int32), y.astype(np.int32)
    x -= left
    y -= top
    right = (left < width - 1).astype(np.int32)
    below = (top < height - 1) * np.int32(width)
    corner = base + top * np.int32(width) + left
    both = x * y
    weights = (1 - x - y + both, x - both, y - both, both)
    down, across = np.zeros_like(x), np.zeros_like(x)
    for weight, where in zip(weights, (corner, corner + right, corner + below, corner + right + below), strict=True):
        down += field.take(where) * weight
        where += np.int32(KEYPOINTS) * area
        across += field.take(where) * weight
    return down, across
