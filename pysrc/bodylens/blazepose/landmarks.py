"""The landmark network's output: 33 landmarks of the body and two auxiliary ones that say where to look next.

ref: mediapipe/modules/pose_landmark/tensors_to_pose_landmarks_and_segmentation.pbtxt
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIZE = 256
BODY = 33
# The two after the body: the middle of the hips, and a point on the circle that encloses the body. The network gives
# four more, which nobody uses.
AUXILIARY = 2
GIVEN = 39
USED = BODY + AUXILIARY

# Refinement looks at so many heat map cells around a landmark, and trusts them if one is at least this sure.
# ref: mediapipe/calculators/util/refine_landmarks_from_heatmap_calculator.proto
KERNEL = 7
MIN_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What the network says of n persons, each in units of its own region.

    Attributes:
        points: (n, 35, 3) float32: x, y (0 … 1 inside the region) and depth in units of the region's width; the last
            two are the auxiliary ones.
        visibility: (n, 33) float32, how probably a landmark is in the picture and not hidden.
        presence: (n, 33) float32, how probably it is in the picture.

    """

    points: Floats
    visibility: Floats
    presence: Floats


def decode(landmarks: Floats, heatmaps: Floats) -> Landmarks:
    """Read the network's outputs for n persons.

    Args:
        landmarks: (n, 195) float32: 39 times x, y, z in input pixels, visibility logit, presence logit.
        heatmaps: (n, 39, 64, 64) float32 logits.

    """
    values = landmarks.reshape(-1, GIVEN, 5)[:, :USED]
    points = values[..., :3] * np.float32(1 / SIZE)
    sure = _sigmoid(values[:, :BODY, 3:])
    return Landmarks(refine(points, heatmaps), sure[..., 0], sure[..., 1])


def refine(points: Floats, heatmaps: Floats) -> Floats:
    """Move each landmark to the centre of mass of the heat map around it, where that is sure enough.

    Args:
        points: (n, k, 3) float32, x and y 0 … 1.
        heatmaps: (n, at least k, rows, columns) float32 logits.

    ref: mediapipe/calculators/util/refine_landmarks_from_heatmap_calculator.cc

    """
    n, k, _ = points.shape
    channels, rows, columns = heatmaps.shape[1:]
    size = np.array([columns, rows], np.float32)
    cells = (points[..., :2] * size).astype(np.int32)  # towards zero, as in the original
    inside = ((cells >= 0) & (cells < np.array([columns, rows], np.int32))).all(axis=-1)
    reach = np.arange(-(KERNEL // 2), KERNEL // 2 + 1, dtype=np.int32)
    at_x = cells[..., 0, None] + reach  # (n, k, 7)
    at_y = cells[..., 1, None] + reach
    valid = ((at_x >= 0) & (at_x < columns))[..., None, :] & ((at_y >= 0) & (at_y < rows))[..., :, None]
    plane = np.arange(n, dtype=np.int32)[:, None] * channels + np.arange(k, dtype=np.int32)
    index = (plane[..., None] * rows + at_y)[..., None] * columns + at_x[..., None, :]
    weights = _sigmoid(heatmaps.reshape(-1).take(index, mode="clip"))
    weights *= valid
    by_column: Floats = weights.sum(axis=-2)
    by_row: Floats = weights.sum(axis=-1)
    total: Floats = by_row.sum(axis=-1)
    trusted = inside & (weights.max(axis=(-1, -2)) >= MIN_CONFIDENCE)
    refined = points.copy()
    np.maximum(total, np.float32(1e-12), out=total)
    refined[..., 0] = np.where(trusted, (by_column * at_x).sum(axis=-1) / total / columns, points[..., 0])
    refined[..., 1] = np.where(trusted, (by_row * at_y).sum(axis=-1) / total / rows, points[..., 1])
    return refined


def world(values: Floats) -> Floats:
    """Read the world landmarks of n persons: (n, 117) float32 to (n, 33, 3), metres about the middle of the hips."""
    return values.reshape(-1, GIVEN, 3)[:, :BODY]


def _sigmoid(logits: Floats) -> Floats:
    result: Floats = np.reciprocal(1 + np.exp(-np.clip(logits, -80, 80)))
    return result
