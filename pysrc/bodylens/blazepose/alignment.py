"""From two points of a body to the region that the landmark network looks at, and back from its landmarks.

ref: mediapipe/calculators/util/alignment_points_to_rects_calculator.cc, landmark_projection_calculator.cc
"""

from collections.abc import Sequence
from math import atan2, cos, hypot, pi, sin

import numpy as np
from numpy.typing import NDArray

from bodylens.region import Region

Floats = NDArray[np.float32]

# How far the region reaches beyond the circle around the body. ref: pose_detection_to_roi.pbtxt (scale_x, scale_y)
MARGIN = 1.25


def body_region(centre: Sequence[float], rim: Sequence[float]) -> Region:
    """Cover a body with a square, turned so that it stands upright in it.

    Args:
        centre: x, y of the middle of the hips, pixels.
        rim: x, y of the point straight above the head, on the circle that encloses the body, pixels.

    """
    across, up = rim[0] - centre[0], centre[1] - rim[1]
    rotation = pi / 2 - atan2(up, across)
    rotation -= 2 * pi * np.floor((rotation + pi) / (2 * pi))
    side = 2 * hypot(across, up) * MARGIN
    return Region(float(centre[0]), float(centre[1]), side, side, float(rotation))


def to_frame(landmarks: Floats, regions: Sequence[Region]) -> Floats:
    """Take each person's landmarks (n, k, 3) from units of its own region to pixels of the frame; depth as width."""
    if len(regions) == 1:
        projected: Floats = regions[0].to_frame(landmarks)
        return projected
    numbers = [(m[0], m[1], r.width) for r in regions for m in (r.matrix(),)]
    x = np.array([row[0] for row in numbers], np.float32)[:, :, None]
    y = np.array([row[1] for row in numbers], np.float32)[:, :, None]
    u, v = landmarks[..., 0], landmarks[..., 1]
    out = np.empty_like(landmarks)
    out[..., 0] = u * x[:, 0] + v * x[:, 1] + x[:, 2]
    out[..., 1] = u * y[:, 0] + v * y[:, 1] + y[:, 2]
    out[..., 2] = landmarks[..., 2] * np.array([row[2] for row in numbers], np.float32)[:, None]
    return out


def turned(world: Floats, regions: Sequence[Region]) -> Floats:
    """Turn each person's world landmarks (n, k, 3) from its region's upright to the frame's."""
    c = np.array([cos(r.rotation) for r in regions], np.float32)[:, None]
    s = np.array([sin(r.rotation) for r in regions], np.float32)[:, None]
    x, y = world[..., 0], world[..., 1]
    out = np.empty_like(world)
    out[..., 0] = c * x - s * y
    out[..., 1] = s * x + c * y
    out[..., 2] = world[..., 2]
    return out
