"""Topologies: which keypoints a system gives, how they are joined, and how they translate into one another.

ref: https://cocodataset.org/#keypoints-eval (the 17 points and their falloffs),
     mediapipe/modules/pose_landmark/pose_landmark_topology.svg (the 33 points)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Topology:
    """A set of keypoints.

    Attributes:
        name: as the catalogue calls it.
        names: of the k keypoints; left and right are the person's own.
        edges: pairs of keypoint numbers that a skeleton joins by a line, each pair once.
        sigmas: (k,) float32, how far annotators scatter about each keypoint, relative to the person's size: the falloff
            of object keypoint similarity (OKS).

    """

    name: str
    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    sigmas: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Give a keypoint's number.

        Raises:
            ValueError: this topology has no such keypoint.

        """
        if name not in self.names:
            raise ValueError(f"{self.name} has no keypoint {name!r}; it has {', '.join(self.names)}")
        return self.names.index(name)

    def side(self, side: str) -> tuple[int, ...]:
        """Give the numbers of the keypoints on one side of the body: "left", "right" or "middle"."""
        return tuple(i for i, name in enumerate(self.names) if side_of(name) == side)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each keypoint the number of its counterpart on the other side (itself in the middle)."""
        swapped = {"left": "right", "right": "left"}
        parts = [[swapped.get(part, part) for part in name.split("_")] for name in self.names]
        return tuple(self.names.index("_".join(part)) for part in parts)

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """For each keypoint the numbers of those that an edge joins it to, in order."""
        joined: list[list[int]] = [[] for _ in self.names]
        for a, b in self.edges:
            joined[a].append(b)
            joined[b].append(a)
        return tuple(tuple(sorted(near)) for near in joined)


def side_of(name: str) -> str:
    """Say on which side of the body a keypoint is: "left", "right" or "middle"."""
    parts = name.split("_")
    return "left" if "left" in parts else "right" if "right" in parts else "middle"


_COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip

_BLAZEPOSE_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb",
    "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

# The 17 points' falloffs are COCO's. Nobody published any for the other 16, so each has that of its nearest COCO point.
_COCO_SIGMAS = np.array(
    [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
     0.089], np.float32,
)  # fmt: skip
_NEAREST_COCO = (0, 1, 1, 1, 2, 2, 2, 3, 4, 0, 0, 5, 6, 7, 8, 9, 10, 9, 10, 9, 10, 9, 10, 11, 12, 13, 14, 15, 16, 15,
                 16, 15, 16)  # fmt: skip

COCO = Topology(
    "coco-17",
    _COCO_NAMES,
    (
        (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (5, 11), (6, 8), (6, 12), (7, 9), (8, 10), (11, 12), (11, 13),
        (12, 14), (13, 15), (14, 16),
    ),
    _COCO_SIGMAS,
)  # fmt: skip

BLAZEPOSE = Topology(
    "blazepose-33",
    _BLAZEPOSE_NAMES,
    (
        (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15),
        (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20), (11, 23),
        (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31), (30, 32), (27, 31),
        (28, 32),
    ),
    _COCO_SIGMAS.take(_NEAREST_COCO),
)  # fmt: skip

# Where each COCO keypoint stands among the 33.
BLAZEPOSE_TO_COCO = tuple(_BLAZEPOSE_NAMES.index(name) for name in _COCO_NAMES)

TOPOLOGIES = {topology.name: topology for topology in (COCO, BLAZEPOSE)}


def to_coco(values: NDArray[np.float32], axis: int = 1) -> NDArray[np.float32]:
    """Choose the 17 COCO keypoints out of BlazePose's 33.

    Args:
        values: any array with 33 entries along `axis`: keypoints (n, 33, 2|3), scores (n, 33), world (n, 33, 3).
        axis: the axis of the keypoints.

    """
    return values.take(BLAZEPOSE_TO_COCO, axis=axis)
