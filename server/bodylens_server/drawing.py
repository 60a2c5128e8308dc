"""What `run --out` draws on a frame, in place and at the cost of a pass over its pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bodylens.people import People
from bodylens.topology import TOPOLOGIES

Picture = NDArray[np.uint8]

# The person's tint, RGB, and how much of it there is where the mask is 1; the page's defaults.
TINT = (46, 204, 168)
OPACITY = 0.6
WHITE = (255, 255, 255)
MIN_SCORE = 0.3

# OpenCV's fixed-point coordinates: 1/16 pixel.
SHIFT = 4

# The tint's part of a pixel, by how much of it there is.
TINTED = np.round(np.arange(256)[:, None] * np.array(TINT) / 255).astype(np.uint8).reshape(256, 1, 3)

# Rows tinted at a time, so that a large frame takes no copies of itself.
ROWS = 512


def draw(frame: Picture, people: People, mask: NDArray[np.float32] | None) -> None:
    """Tint the persons, box and number each, and draw skeletons, in place.

    Args:
        frame: (h, w, 3) uint8 RGB, contiguous.
        people: found in it.
        mask: (h, w) float32, 0 … 1; None for no tint.

    """
    if mask is not None:
        for top in range(0, len(frame), ROWS):
            _tint(frame[top : top + ROWS], mask[top : top + ROWS])
    thickness = max(1, round(max(frame.shape) / 400))
    for number, score, box in zip(people.ids, people.scores, people.boxes, strict=True):
        x, y, w, h = (round(float(v)) for v in box)
        cv2.rectangle(frame, (x, y), (x + w - 1, y + h - 1), TINT, thickness)
        at = (x + 4 * thickness, y + 14 * thickness)
        cv2.putText(frame, f"{number}  {score:.2f}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thickness, TINT, thickness)
    edges = next((t.edges for t in TOPOLOGIES.values() if t.names == people.names), ())
    # OpenCV counts from the middle of the first pixel.
    keypoints = np.round((people.keypoints[..., :2] - 0.5) * (1 << SHIFT)).astype(np.int64)
    keypoints = np.clip(keypoints, -(2**30), 2**30)
    for points, scores in zip(keypoints.tolist(), people.keypoint_scores.tolist(), strict=True):
        for a, b in edges:
            if min(scores[a], scores[b]) >= MIN_SCORE:
                cv2.line(frame, points[a], points[b], TINT, 2 * thickness, cv2.LINE_AA, SHIFT)
        for point, score in zip(points, scores, strict=True):
            if score >= MIN_SCORE:
                cv2.circle(frame, point, (2 * thickness) << SHIFT, WHITE, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _tint(frame: Picture, mask: NDArray[np.float32]) -> None:
    amount = cv2.convertScaleAbs(mask, alpha=255 * OPACITY)
    x, y, w, h = cv2.boundingRect(amount)
    if not w:
        return
    part = frame[y : y + h, x : x + w]
    amounts = cv2.merge([amount[y : y + h, x : x + w]] * 3)
    tinted = cv2.multiply(part, cv2.bitwise_not(amounts), scale=1 / 255)
    cv2.add(tinted, cv2.LUT(amounts, TINTED), dst=tinted)
    part[...] = tinted
