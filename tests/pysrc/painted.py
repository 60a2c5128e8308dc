"""Heads of PoseNet and BodyPix painted from known poses, as a perfect network would give them."""

import numpy as np

from bodylens.personlab import CHAIN, EDGES, KEYPOINTS, Heads, logit

# A standing person: 17 keypoints about the middle of the hips, for a height of 100.
PERSON = np.array(
    [
        [0, -55], [3, -58], [-3, -58], [6, -56], [-6, -56], [10, -42], [-10, -42], [14, -25], [-14, -25],
        [15, -8], [-15, -8], [7, 0], [-7, 0], [8, 20], [-8, 20], [8, 40], [-8, 40],
    ],
    np.float32,
)  # fmt: skip


def standing(x, y, size=1):
    return PERSON * np.float32(size) + np.array([x, y], np.float32)


def paint(poses, scores, shape=(33, 41), stride=16):
    """Make heads as a perfect network would: each cell points to the nearest person's keypoints.

    poses: (n, 17, 2) pixels of the input; scores: (n,) or (n, 17), the probability at the cell next to a keypoint.
    """
    poses = np.asarray(poses, np.float32)
    scores = np.broadcast_to(np.asarray(scores, np.float32).reshape(len(poses), -1), (len(poses), KEYPOINTS))
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32) * stride
    heat = np.full((KEYPOINTS, height, width), -8, np.float32)
    offsets = np.zeros((2 * KEYPOINTS, height, width), np.float32)
    forward, backward = (np.zeros((2 * EDGES, height, width), np.float32) for _ in range(2))
    for k in range(KEYPOINTS):
        gaps = (x - poses[:, k, 0, None, None]) ** 2 + (y - poses[:, k, 1, None, None]) ** 2
        near = gaps.argmin(axis=0)
        offsets[k] = poses[near, k, 1] - y
        offsets[k + KEYPOINTS] = poses[near, k, 0] - x
        for n in range(len(poses)):
            row, column = np.unravel_index(gaps[n].argmin(), shape)
            value = logit(float(scores[n, k]))
            # A steep hill about the cell.
            away = np.maximum(abs(np.arange(height)[:, None] - row), abs(np.arange(width)[None] - column))
            heat[k] = np.maximum(heat[k], np.where(away <= 2, value - 3 * away, -8))
        for edge, (parent, child) in enumerate(CHAIN):
            for source, target, head in ((parent, child, forward), (child, parent, backward)):
                if source == k:
                    head[edge] = poses[near, target, 1] - poses[near, source, 1]
                    head[edge + EDGES] = poses[near, target, 0] - poses[near, source, 0]
    return Heads(heat, offsets, forward, backward, stride)


def crowd(rng, n, shape=(33, 41), stride=16):
    """Place n people, of which none stands closer than 60 pixels to another."""
    size = np.array([shape[1] - 1, shape[0] - 1], np.float32) * stride
    middles = []
    while len(middles) < n:
        at = rng.uniform([40, 70], size - [40, 50])
        if all(np.hypot(*(at - other)) > 60 for other in middles):
            middles.append(at)
    sizes = rng.uniform(0.8, 1.1, (n, 1, 1))
    return (PERSON[None] * sizes + np.array(middles)[:, None]).astype(np.float32)
