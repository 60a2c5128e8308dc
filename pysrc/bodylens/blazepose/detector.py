"""The person detector's output: where bodies are, well enough to aim the landmark network.

ref: mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from bodylens.anchors import make_anchors
from bodylens.region import Region

Floats = NDArray[np.float32]

MODEL = "blazepose-detector"
SIZE = 224
OUTPUTS = ("boxes", "scores")

ANCHORS = make_anchors(
    SIZE, SIZE, (8, 16, 32, 32, 32), min_scale=0.1484375, max_scale=0.75, fixed_size=True
)  # (2254, 4); only their centres count
# Boxes that overlap more than this are of one person.
SAME_PERSON = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Persons, best first.

    Attributes:
        scores: (n,) float32, 0 … 1.
        boxes: (n, 4) float32: x, y, width, height of the face, pixels of the frame.
        points: (n, 4, 2) float32: middle of the hips; point on the circle that encloses the body; the same two for the
            upper body alone; pixels of the frame.

    """

    scores: Floats
    boxes: Floats
    points: Floats

    def __len__(self) -> int:
        return len(self.scores)


def look_at(width: float, height: float) -> Region:
    """Give the region that the detector sees: the whole frame, not stretched."""
    return Region.whole(width, height).letterboxed(1.0)


def decode(boxes: Floats, logits: Floats, region: Region, min_score: float, most: int) -> Detections:
    """Read the network's output.

    Args:
        boxes: (1, 2254, 12) float32: centre, size and four points, in input pixels relative to the anchor's centre.
        logits: (1, 2254, 1) float32.
        region: what the network saw.
        min_score: from which probability a person counts.
        most: how many persons to give at most.

    """
    logits = logits.reshape(-1)
    chosen = np.flatnonzero(logits >= _logit(min_score))
    if not len(chosen):
        return Detections(np.empty(0, np.float32), np.empty((0, 4), np.float32), np.empty((0, 4, 2), np.float32))
    logits = logits[chosen]
    order = np.argsort(-logits, kind="stable")
    chosen, logits = chosen[order], logits[order]
    scores: Floats = np.reciprocal(1 + np.exp(-np.clip(logits, -80, 80)))
    raw = boxes.reshape(-1, 6, 2)[chosen] * np.float32(1 / SIZE)  # centre, size, 4 points
    points = raw + ANCHORS[chosen, None, :2]
    points[:, 1] = raw[:, 1]
    scores, points = _merged(scores, points, most)
    centres, sizes = points[:, 0], points[:, 1]
    corner = region.to_frame(centres - sizes / 2)
    extent = sizes * np.array([region.width, region.height], np.float32)
    return Detections(scores, np.concatenate([corner, extent], axis=1), region.to_frame(points[:, 2:]))


def _logit(probability: float) -> float:
    return log(probability / (1 - probability)) if 0 < probability < 1 else -100.0 if probability <= 0 else 100.0


def _merged(scores: Floats, points: Floats, most: int) -> tuple[Floats, Floats]:
    """Average what is of one person, weighted by score (weighted non-maximum suppression).

    Args:
        scores: (n,) falling.
        points: (n, 6, 2): centre, size and four points.
        most: how many to give at most.

    ref: mediapipe/calculators/util/non_max_suppression_calculator.cc (WEIGHTED)

    """
    low = points[:, 0] - points[:, 1] / 2
    high = points[:, 0] + points[:, 1] / 2
    area = points[:, 1, 0] * points[:, 1, 1]
    left = np.flatnonzero((points[:, 1] >= 0).all(axis=1))
    kept: list[int] = []
    averages: list[Floats] = []
    while len(left) and len(kept) < most:
        best = int(left[0])
        overlap = np.minimum(high[left], high[best]) - np.maximum(low[left], low[best])
        np.maximum(overlap, 0, out=overlap)
        shared = overlap[:, 0] * overlap[:, 1]
        alike = shared > np.float32(SAME_PERSON) * (area[left] + area[best] - shared)
        alike[0] = True
        same = left[alike]
        weights = scores[same]
        weights = weights / weights.sum()
        averages.append((points[same] * weights[:, None, None]).sum(axis=0))
        kept.append(best)
        left = left[~alike]
    if not kept:
        return scores[:0], points[:0]
    return scores[kept], np.stack(averages)
