"""Where a single-person MoveNet looks next: a square around the person that it saw last.

ref: tfjs-models/pose-detection/src/movenet/crop_utils.ts
"""

import numpy as np
from numpy.typing import NDArray

from bodylens.region import Region
from bodylens.topology import COCO

Floats = NDArray[np.float32]

# A keypoint counts from this score.
MIN_SCORE = 0.2
# The square reaches so far beyond the torso, and beyond the whole visible body.
TORSO_REACH = 1.9
BODY_REACH = 1.2

SHOULDERS = np.array([COCO.index("left_shoulder"), COCO.index("right_shoulder")])
HIPS = np.array([COCO.index("left_hip"), COCO.index("right_hip")])
TORSO = np.concatenate([SHOULDERS, HIPS])


def first_region(width: float, height: float) -> Region:
    """Guess where someone is: the largest square in the middle of the frame."""
    side = min(width, height)
    return Region(width / 2, height / 2, side, side)


def whole_region(width: float, height: float) -> Region:
    """Look at the whole frame, not stretched."""
    side = max(width, height)
    return Region(width / 2, height / 2, side, side)


def next_region(keypoints: Floats, scores: Floats, width: float, height: float) -> Region:
    """Choose where to look in the next frame.

    Around the middle of the hips where the torso is seen (a hip and a shoulder), large enough for both torso and body;
    otherwise, or where that would be larger than the frame, at the whole frame.

    Args:
        keypoints: (17, 2) float32, pixels.
        scores: (17,) float32.
        width: of the frame, pixels.
        height: of the frame, pixels.

    """
    sure = scores > MIN_SCORE
    if not (sure[HIPS].any() and sure[SHOULDERS].any()):
        return whole_region(width, height)
    left, right = keypoints[HIPS].tolist()
    x, y = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
    away = np.abs(keypoints - np.array([x, y], np.float32)).max(axis=1)
    torso = float(away[TORSO].max())
    body = float(away[scores >= MIN_SCORE].max())
    half = max(TORSO_REACH * torso, BODY_REACH * body)
    half = min(half, max(x, width - x, y, height - y))
    if half > max(width, height) / 2:
        return whole_region(width, height)
    return Region(x, y, 2 * half, 2 * half)
