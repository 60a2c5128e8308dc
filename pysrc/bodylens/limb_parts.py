"""Body parts from a skeleton and a mask: an approximation, for systems whose network has no head for parts.

Each pixel of the mask goes to the nearest limb, torso or head of the nearest skeleton, where every part is a capsule:
all that is within a radius of a line. Which side of the body is seen follows from how the torso stands; where keypoints
have a depth, the nearer one of two crossing limbs is on top. Clothes, hair and foreshortening are beyond it.

The radii are shares of the shoulders' width, chosen by eye from drawn proportions of the adult body.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bodylens.bodypix import PART_NAMES
from bodylens.people import People

Float = NDArray[np.float32]
Line = tuple[Float, Float]

MIN_SCORE = 0.3

# Pixels at a time: so few that all that is computed for them stays in the processor's cache.
BLOCK = 8192

# part without its side and face, its ends, its radius
LIMBS = (
    ("upper_arm", "shoulder", "elbow", 0.20),
    ("lower_arm", "elbow", "wrist", 0.15),
    ("upper_leg", "hip", "knee", 0.27),
    ("lower_leg", "knee", "ankle", 0.20),
)
HAND, FOOT, FACE, NECK = 0.16, 0.16, 0.17, 0.17
# What a skeleton of 17 keypoints does not show: how far hand and foot reach beyond wrist and ankle, as shares of the
# limb, and how far a torso reaches down where no hips are seen, as a share of the shoulders' width.
BEYOND_WRIST, BEYOND_ANKLE, TORSO = 0.45, 0.2, 1.4


def limb_parts(
    people: People, person: NDArray[np.bool_], min_score: float = MIN_SCORE
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Say which part of whose body each pixel of a mask is, approximately.

    Args:
        people: n skeletons, of 17 COCO keypoints or of any that have those names among theirs.
        person: (h, w) bool over the whole frame, at any size.
        min_score: keypoints below it are not used.

    Returns:
        Two (h, w) int32: parts as numbers into `bodypix.PART_NAMES`, and people as rows of `people`; -1 outside the
        mask, and everywhere where no skeleton has two shoulders or two points of a head.

    """
    parts = np.full(person.shape, -1, np.int32)
    owners = np.full(person.shape, -1, np.int32)
    at = np.flatnonzero(person)
    if not at.size or not len(people):
        return parts, owners
    height, width = person.shape
    row, column = np.divmod(at.astype(np.int32), np.int32(width))
    x = (column + np.float32(0.5)) * np.float32(people.frame.width / width)
    y = (row + np.float32(0.5)) * np.float32(people.frame.height / height)
    part, owner = np.full(at.size, -1, np.int32), np.full(at.size, -1, np.int32)
    skeletons = [_points(people, number, min_score) for number in range(len(people))]
    for first in range(0, at.size, BLOCK):
        block = slice(first, first + BLOCK)
        nearest = np.full(len(x[block]), np.inf, np.float32)
        for number, points in enumerate(skeletons):
            gap, label = _one(points, x[block], y[block])
            closer = gap < nearest
            np.copyto(nearest, gap, where=closer)
            np.copyto(part[block], label, where=closer)
            np.copyto(owner[block], np.int32(number), where=closer)
    parts.reshape(-1)[at], owners.reshape(-1)[at] = part, owner
    return parts, owners


def _points(people: People, number: int, min_score: float) -> dict[str, Float]:
    """Give a person's sure keypoints by name, each (2,) or (3,)."""
    sure = people.keypoint_scores[number] >= min_score
    return {name: people.keypoints[number, k] for k, name in enumerate(people.names) if sure[k]}


def _one(points: dict[str, Float], x: Float, y: Float) -> tuple[Float, NDArray[np.int32]]:
    """Find the nearest part of one person for pixels (m,): how far its surface is, and its number."""
    gap, label = np.full(x.shape, np.inf, np.float32), np.full(x.shape, -1, np.int32)
    scale = _scale(points)
    if not scale:
        return gap, label
    solid = next(iter(points.values())).size == 3
    found = _capsules(points, scale)
    depth = np.full(x.shape, np.inf, np.float32)
    for name, lines, radius in found:
        away, deep = _distance(lines, x, y, solid)
        away -= np.float32(radius * scale)
        if name.endswith("face"):
            # A head is round: what is far from it belongs to something else, even if nothing else is known there.
            away *= np.where(away > 0, np.float32(3), np.float32(1))
        # Outside all parts the nearest surface counts; within several, the one on top, or else the nearest axis.
        better = away < gap
        if solid:
            better = np.where((away < 0) & (gap < 0), deep < depth, better)
            np.copyto(depth, deep, where=better)
        np.copyto(gap, away, where=better)
        np.copyto(label, np.int32(PART_NAMES.index(name)), where=better)
    return gap, label


def _scale(points: dict[str, Float]) -> float:
    """Estimate the shoulders' width, 0 where nothing tells it."""

    def length(a: str, b: str, share: float) -> float:
        return float(np.hypot(*(points[a] - points[b])[:2])) * share if a in points and b in points else 0.0

    # A body seen from its side has narrow shoulders, but a long trunk.
    return max(
        length("left_shoulder", "right_shoulder", 1),
        length("left_shoulder", "left_hip", 0.7),
        length("right_shoulder", "right_hip", 0.7),
        length("left_ear", "right_ear", 2.2),
        length("left_eye", "right_eye", 4.5),
    )


def _facing(points: dict[str, Float]) -> str:
    """Say which side of the body is seen: "front" or "back"."""
    if "left_shoulder" in points and "right_shoulder" in points:
        across = (points["left_shoulder"] - points["right_shoulder"]).astype(np.float64)
        middle = (points["left_shoulder"] + points["right_shoulder"]) / 2
        hips = [points[name] for name in ("left_hip", "right_hip") if name in points]
        down = (np.mean(hips, axis=0) - middle).astype(np.float64) if hips else np.array([0.0, 1.0])
        # Seen from the front, the person's left is on the right, where down is down.
        turn = across[0] * down[1] - across[1] * down[0]
        if len(across) == 3 and abs(turn) < 0.3 * np.hypot(*across[:2]) * np.hypot(*down[:2]):
            # Edge on: the nearer shoulder says nothing, the face does.
            return "front" if "nose" in points else "back"
        return "front" if turn > 0 else "back"
    return "front" if "nose" in points else "back"


def _capsules(points: dict[str, Float], scale: float) -> list[tuple[str, list[Line], float]]:
    """List a person's parts: name, axes, and radius as a share of the scale."""
    facing = _facing(points)
    found: list[tuple[str, list[Line], float]] = []
    for side in ("left", "right"):
        for part, start, end, radius in LIMBS:
            a, b = points.get(f"{side}_{start}"), points.get(f"{side}_{end}")
            if a is not None and b is not None:
                found.append((f"{side}_{part}_{facing}", [(a, b)], radius))
        found.extend(_end(points, side, "elbow", "wrist", ("index", "pinky", "thumb"), "hand", BEYOND_WRIST, HAND))
        found.extend(_end(points, side, "knee", "ankle", ("heel", "foot_index"), "feet", BEYOND_ANKLE, FOOT))
        face = [points[name] for name in ("nose", f"{side}_eye", f"{side}_ear") if name in points]
        if len(face) > 1 or (face and "nose" not in points):
            found.append((f"{side}_face", _chain(face), FACE))
            found.extend(_skull(points, side, scale))
    found.extend(_torso(points, scale, facing))
    return found


def _chain(ends: list[Float]) -> list[Line]:
    return list(pairwise(ends)) or [(ends[0], ends[0])]


def _end(
    points: dict[str, Float],
    side: str,
    before: str,
    joint: str,
    tips: tuple[str, ...],
    part: str,
    beyond: float,
    radius: float,
) -> list[tuple[str, list[Line], float]]:
    """Give a hand or a foot: to its own keypoints where there are some, else straight on from the limb."""
    a, b = points.get(f"{side}_{before}"), points.get(f"{side}_{joint}")
    if b is None:
        return []
    lines = [(b, points[f"{side}_{tip}"]) for tip in tips if f"{side}_{tip}" in points]
    if not lines:
        if a is None:
            return []
        # The first quarter of the way is still the wrist.
        lines = [(b + (b - a) * np.float32(beyond / 4), b + (b - a) * np.float32(beyond))]
    return [(f"{side}_{part}", lines, radius)]


def _skull(points: dict[str, Float], side: str, scale: float) -> list[tuple[str, list[Line], float]]:
    """Give one half of what lies above and below the eyes: forehead and chin."""
    eye, nose = points.get(f"{side}_eye"), points.get("nose")
    both = [points[name] for name in ("left_eye", "right_eye") if name in points]
    if eye is None or nose is None:
        return []
    up = np.mean(both, axis=0, dtype=np.float32) - nose
    length = float(np.hypot(up[0], up[1]))
    if not length:
        return []
    up = up * np.float32(0.25 * scale / length)
    return [(f"{side}_face", [(eye, eye + up), (eye, eye - up * np.float32(1.6))], FACE)]


def _torso(points: dict[str, Float], scale: float, facing: str) -> list[tuple[str, list[Line], float]]:
    """Give the trunk as lines from shoulder to hip, side by side, and the neck."""
    left, right = points.get("left_shoulder"), points.get("right_shoulder")
    if left is None or right is None:
        return []
    across = (left - right) * np.float32(0.7)
    if "left_hip" in points or "right_hip" in points:
        left_hip = points["left_hip"] if "left_hip" in points else points["right_hip"] + across
        right_hip = points["right_hip"] if "right_hip" in points else points["left_hip"] - across
    else:
        down = np.zeros_like(left)
        down[1] = TORSO * scale
        left_hip, right_hip = left + down, right + down
    shares = np.linspace(0.08, 0.92, 6, dtype=np.float32)
    lines = [(left + (right - left) * t, left_hip + (right_hip - left_hip) * t) for t in shares]
    return [(f"torso_{facing}", lines, 0.14), (f"torso_{facing}", [(left, right)], NECK)]


def _distance(lines: list[Line], x: Float, y: Float, solid: bool) -> tuple[Float, Float]:
    """Give how far pixels are from the nearest of some lines, and how deep that one is at its nearest point."""
    least = np.full(x.shape, np.inf, np.float32)
    depth = np.zeros(x.shape if solid else 0, np.float32)
    for start, end in lines:
        along = end - start
        length = float(along[0] ** 2 + along[1] ** 2)
        right, down = x - start[0], y - start[1]
        t = np.zeros_like(x)
        if length:
            np.multiply(right, np.float32(along[0] / length), out=t)
            t += down * np.float32(along[1] / length)
            np.clip(t, 0, 1, out=t)
            right -= t * np.float32(along[0])
            down -= t * np.float32(along[1])
        right *= right
        down *= down
        right += down
        if solid:
            np.copyto(depth, start[2] + t * along[2], where=right < least)
        np.minimum(least, right, out=least)
    return np.sqrt(least, out=least), depth
