"""Body parts from a skeleton and a mask: an approximation, for systems whose network has no head for parts.

Each pixel of the mask goes to the nearest limb, torso or head of the nearest skeleton, where every part is a capsule:
all that is within a radius of a line. Which side of the body is seen follows from how the torso stands; where keypoints
have a depth, the nearer one of two crossing limbs is on top. Clothes, hair and foreshortening are beyond it.

The radii are shares of the shoulders' width, chosen by eye from drawn proportions of the adult body.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.bodypix import PART_NAMES
from bodylens.options import number
from bodylens.people import People

Float = NDArray[np.float32]

MIN_SCORE = 0.3

# Pixels at a time: so few that all that is computed for them stays in the processor's cache.
BLOCK = 8192

# A head is round: what is far from it belongs to something else, even if nothing else is known there.
ROUND = 3

# What hides parts errs on the side of hiding. In radii from its line: how far a face is hidden, whatever a mask says,
# and how far a body explains that somebody is there. In the least radii of a body: how far all of it is hidden where
# its face is not seen, which is to reach from the shoulders to the crown.
FACE_REACH, EXPLAINED, FACELESS_REACH = 1.6, 2, 9
# Above this share of people's pixels that no body explains, more people are there than were found. Measured: at most
# 0.25 with everybody found (a leg may be missing), at least 0.4 with one of two or three people.
OTHERS = 1 / 3
# Pixels that are looked at for it along the longer side.
LOOKS = 48

# What a skeleton of 17 keypoints does not show: how far hand and foot reach beyond wrist and ankle, as shares of the
# limb, and how far a torso reaches down where no hips are seen, as a share of the shoulders' width.
BEYOND_WRIST, BEYOND_ANKLE, TORSO = 0.45, 0.2, 1.4
# Where between the shoulders the lines of the trunk start, side by side, (6, 1).
ACROSS = np.linspace(0.08, 0.92, 6, dtype=np.float32)[:, None]

# The keypoints of one side of the body, and the points that `_more` makes of them.
POINTS = (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear", "index", "pinky", "thumb", "heel", "foot_index",
    "palm", "fingers", "sole", "toes", "face_front", "face_middle", "face_back", "forehead", "chin",
)  # fmt: skip
OWN = POINTS[:13]

# The shapes of one side: part, radius as a share of the shoulders' width, and the ends of its lines.
SIDE = (
    ("upper_arm", 0.20, ("shoulder", "elbow")),
    ("lower_arm", 0.15, ("elbow", "wrist")),
    ("upper_leg", 0.27, ("hip", "knee")),
    ("lower_leg", 0.20, ("knee", "ankle")),
    ("hand", 0.16, ("wrist", "index"), ("wrist", "pinky"), ("wrist", "thumb"), ("palm", "fingers")),
    ("feet", 0.16, ("ankle", "heel"), ("ankle", "foot_index"), ("sole", "toes")),
    ("face", 0.17, ("face_front", "face_middle"), ("face_middle", "face_back")),
    ("face", 0.17, ("eye", "forehead"), ("eye", "chin")),
)
TRUNK, NECK = 0.14, 0.17

COLUMNS = 12


def _table() -> tuple[Float, NDArray[np.float64], NDArray[np.bool_]]:
    """Make what is the same in everybody's capsules.

    Returns:
        (37, 12) float32 as `capsules` gives them, of person 0 seen from the front, without lines and radii; (37,)
        float64, the radii as shares of the shoulders' width; and (37,) bool, which of them have a back.

    """
    rows: list[tuple[str, int, float]] = []
    shape = 0
    for side in ("left", "right"):
        for part, radius, *lines in SIDE:
            name = f"{side}_{part}" if f"{side}_{part}" in PART_NAMES else f"{side}_{part}_front"
            rows += [(name, shape, radius)] * len(lines)
            shape += 1
    rows += [("torso_front", shape, TRUNK)] * len(ACROSS) + [("torso_front", shape + 1, NECK)]
    table = np.zeros((len(rows), COLUMNS), np.float32)
    table[:, 1] = [PART_NAMES.index(name) for name, _, _ in rows]
    table[:, 2] = [name.endswith("face") for name, _, _ in rows]
    table[:, 11] = [shape for _, shape, _ in rows]
    return table, np.array([radius for _, _, radius in rows]), np.array([name.endswith("front") for name, _, _ in rows])


_ROWS, _SHARES, _TURNS = _table()
_SHAPES = np.float32(_ROWS[-1, 11] + 1)
# Numbers into POINTS of the start and the end of each line of one side, (2, 15).
_ENDS = np.array([[POINTS.index(name) for name in line] for _, _, *lines in SIDE for line in lines]).T


def capsules(people: People, min_score: float = MIN_SCORE) -> Float:
    """Describe the bodies of people as capsules, from which each pixel's part follows.

    Args:
        people: n skeletons, of 17 COCO keypoints or of any that have those names among theirs.
        min_score: keypoints below it are not used.

    Returns:
        (c, 12) float32, one row a capsule, at most 37 a person and in the order of people; columns:

        0. the person's row in `people`;
        1. the part's number into `bodypix.PART_NAMES`;
        2. 1 for a face, else 0;
        3. to 5.: a, where its line starts: x and y in pixels of the frame, z the depth on the same scale, smaller is
           nearer (0 where keypoints have none);
        6. to 8.: b, where its line ends, likewise; it may be the same point;
        9. its radius in pixels of the frame;
        10. 1 where depth counts, else 0; the same in all rows;
        11. its shape: rows of one shape have the same number, follow one another, and are of one person, part and
            radius. The numbers rise, but not always by one.

    Which part of whom a pixel of the mask is, whose middle is (x, y) in pixels of the frame, is found so; wherever
    values are equal, what comes first in the table counts:

    - Of a shape, that line counts which is nearest: with t = ((x, y) − a) · (b − a) / |b − a|², all in x and y alone,
      clipped to 0 … 1, and 0 where a and b are the same, the distance is that of (x, y) from a + t (b − a), and the
      depth is z there.
    - The shape's gap is the distance less the radius: below 0 within it. A face's gap above 0 is multiplied by `ROUND`.
    - Of a person, the shapes are gone through in order, and each one is compared with the one that is the best so far.
      Where depth counts and both gaps are below 0, the new one is better if its depth is less; otherwise it is better
      if its gap is less. (So outside of all shapes the nearest surface counts; within several of them the one on top,
      or, where nothing is known of depth, the one that reaches in deepest.)
    - The person whose best shape's gap is least owns the pixel, and that shape's part is its part.

    Raises:
        ValueError: `min_score` is not from 0 to 1.

    """
    number("min_score", min_score, 0, 1)
    n = len(people)
    if not n:
        return np.empty((0, COLUMNS), np.float32)
    # What is not sure is no number, and what follows from it is none either.
    with np.errstate(invalid="ignore", divide="ignore"):
        nose, own = _known(people, min_score)
        scale = _scale(own)
        points = np.concatenate([own, _more(nose, own, scale)], axis=2)
        limbs = points.take(_ENDS, axis=2).swapaxes(1, 2).reshape(n, 2, -1, 3)
        lines = np.concatenate([limbs, _trunk(own, scale)], axis=2)
    rows = np.repeat(_ROWS[None], n, axis=0)
    rows[..., 0] = np.arange(n, dtype=np.float32)[:, None]
    rows[..., 1] += _from_behind(nose, own, people.keypoints.shape[2] == 3)[:, None] & _TURNS
    rows[..., 3:6], rows[..., 6:9] = lines[:, 0], lines[:, 1]
    rows[..., 9] = _SHARES * scale[:, None]
    rows[..., 10] = people.keypoints.shape[2] == 3
    rows[..., 11] += rows[..., 0] * _SHAPES
    table: Float = rows[np.isfinite(lines.sum(axis=(1, 3))) & (scale > 0)[:, None]]
    return table


def limb_parts(
    people: People, person: NDArray[np.bool_], min_score: float = MIN_SCORE
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Say which part of whose body each pixel of a mask is, approximately, by the rules of `capsules`.

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
    table = capsules(people, min_score)
    if not at.size or not len(table):
        return parts, owners
    height, width = person.shape
    row, column = np.divmod(at.astype(np.int32), np.int32(width))
    x = (column + np.float32(0.5)) * np.float32(people.frame.width / width)
    y = (row + np.float32(0.5)) * np.float32(people.frame.height / height)
    part, owner = np.full(at.size, -1, np.int32), np.full(at.size, -1, np.int32)
    bodies = [np.split(body, _changes(body[:, 11])) for body in np.split(table, _changes(table[:, 0]))]
    for first in range(0, at.size, BLOCK):
        block = slice(first, first + BLOCK)
        nearest = np.full(len(x[block]), np.inf, np.float32)
        for shapes in bodies:
            gap, label = _one(shapes, x[block], y[block])
            closer = gap < nearest
            np.copyto(nearest, gap, where=closer)
            np.copyto(part[block], label, where=closer)
            np.copyto(owner[block], np.int32(shapes[0][0, 0]), where=closer)
    parts.reshape(-1)[at], owners.reshape(-1)[at] = part, owner
    return parts, owners


def hidden_parts(
    people: People, person: NDArray[np.bool_] | None, ids: Sequence[int] = (0, 1), min_score: float = MIN_SCORE
) -> NDArray[np.bool_]:
    """Say which pixels must be hidden so that no such part of anybody is seen, found or not.

    - A hidden part is hidden whatever the mask says, a face with a margin.
    - Of a person whose face is not seen, all is hidden, with a wide margin, if faces are to be.
    - What the mask takes for a person and no body explains is hidden: it may be another person. Where that is more than
      a third of the mask, people were not found, and all of the mask is hidden.
    - Without a mask, people may be anywhere: all that no body explains is hidden.
    - Where no body is found, everything is hidden.

    Args:
        people: n skeletons, as `capsules` takes them.
        person: (h, w) bool over the whole frame, at any size: where anybody is, also who was not found. None where that
            is not known, as with BlazePose's own masks, which are those of the found people; the result is then of the
            frame's size.
        ids: numbers of parts into `bodypix.PART_NAMES`; the face if not given.
        min_score: keypoints below it are not used.

    Returns:
        (h, w) bool, as `draw.blur_parts` takes it.

    """
    table = capsules(people, min_score)
    frame = people.frame
    anywhere = np.ones((frame.height, frame.width), bool) if person is None else person
    if not len(table):
        return np.ones(anywhere.shape, bool)
    parts, owners = limb_parts(people, anywhere, min_score)
    faceless = np.setdiff1d(table[:, 0], table[table[:, 2] > 0, 0]) if set(ids) & {0, 1} else np.empty(0)
    covered = np.zeros(anywhere.shape, bool)
    explained = np.zeros(anywhere.shape, bool)
    for row in table:
        reach = float(row[9]) * (row[1] in ids) * (FACE_REACH if row[2] else 1)
        if row[0] in faceless:
            reach = FACELESS_REACH * float(table[table[:, 0] == row[0], 9].min())
        box, away = _around(row, max(reach, EXPLAINED * float(row[9])), anywhere.shape, (frame.width, frame.height))
        covered[box] |= away < reach
        explained[box] |= away <= EXPLAINED * row[9]
    step = max(1, max(anywhere.shape) // LOOKS)
    looks = np.s_[step // 2 :: step, step // 2 :: step]
    if person is not None and (person & ~explained)[looks].sum() > OTHERS * person[looks].sum():
        return covered | person
    return covered | (anywhere & (~explained | np.isin(parts, ids) | np.isin(owners, faceless)))


def _around(row: Float, reach: float, shape: tuple[int, int], frame: tuple[int, int]) -> tuple[Any, Float]:
    """Give the rectangle of a grid within reach of a capsule (12,), and how far its pixels are from the line."""
    scale = np.array([shape[1] / frame[0], shape[0] / frame[1]])
    ends = np.stack([row[3:5], row[6:8]])
    left, top = np.clip(np.floor((ends.min(axis=0) - reach) * scale), 0, shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil((ends.max(axis=0) + reach) * scale), 0, shape[::-1]).astype(int)
    x = (np.arange(left, right, dtype=np.float32) + np.float32(0.5)) / np.float32(scale[0])
    y = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5)) / np.float32(scale[1])
    x, y = np.meshgrid(x, y)
    return np.s_[top:bottom, left:right], _distance(row[None], x, y, solid=False)[0]


def _changes(column: Float) -> NDArray[np.intp]:
    return np.flatnonzero(np.diff(column)) + 1


def _one(shapes: list[Float], x: Float, y: Float) -> tuple[Float, NDArray[np.int32]]:
    """Find the best shape (c, 12) of one person for pixels (m,): its gap, and its part's number."""
    gap, label = np.full(x.shape, np.inf, np.float32), np.full(x.shape, -1, np.int32)
    depth = np.full(x.shape, np.inf, np.float32)
    for lines in shapes:
        _, part, face, *_, radius, solid, _ = lines[0]
        away, deep = _distance(lines, x, y, solid)
        away -= radius
        if face:
            away *= np.where(away > 0, np.float32(ROUND), np.float32(1))
        better = away < gap
        if solid:
            better = np.where((away < 0) & (gap < 0), deep < depth, better)
            np.copyto(depth, deep, where=better)
        np.copyto(gap, away, where=better)
        np.copyto(label, np.int32(part), where=better)
    return gap, label


def _distance(lines: Float, x: Float, y: Float, solid: bool) -> tuple[Float, Float]:
    """Give how far pixels are from the nearest of some lines (c, 12), and how deep that one is at its nearest point."""
    least = np.full(x.shape, np.inf, np.float32)
    depth = np.zeros(x.shape if solid else 0, np.float32)
    for line in lines:
        start, along = line[3:6], line[6:9] - line[3:6]
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


@lru_cache(maxsize=8)
def _columns(names: tuple[str, ...]) -> NDArray[np.intp]:
    """Say where the nose, and each side's keypoints, are among those of a topology; the last one where they are not."""
    at = {name: k for k, name in enumerate(names)}
    wanted = ["nose", *(f"{side}_{name}" for side in ("left", "right") for name in OWN)]
    return np.array([at.get(name, len(names)) for name in wanted])


def _known(people: People, min_score: float) -> tuple[Float, Float]:
    """Give noses (n, 1, 1, 3) and both sides' keypoints (n, 2, 13, 3); no numbers where they are not sure."""
    n, k, dimensions = people.keypoints.shape
    points = np.full((n, k + 1, 3), np.nan, np.float32)
    points[:, :k, 2] = 0
    points[:, :k, :dimensions] = people.keypoints
    points[:, :k][~(people.keypoint_scores >= min_score)] = np.nan
    points = points.take(_columns(people.names), axis=1)
    return points[:, :1, None], points[:, 1:].reshape(n, 2, -1, 3)


def _scale(own: Float) -> NDArray[np.float64]:
    """Estimate the shoulders' widths (n,), 0 where nothing tells them."""
    shoulder, hip, eye, ear = (POINTS.index(name) for name in ("shoulder", "hip", "eye", "ear"))
    left, right = own[:, 0], own[:, 1]
    between = (left - right)[:, [shoulder, shoulder, shoulder, ear, eye]]
    # A body seen from its side has narrow shoulders, but a long trunk.
    between[:, 1] = left[:, shoulder] - left[:, hip]
    between[:, 2] = right[:, shoulder] - right[:, hip]
    lengths = np.hypot(between[..., 0], between[..., 1]) * np.array([1, 0.7, 0.7, 2.2, 4.5])
    widths: NDArray[np.float64] = np.fmax.reduce(lengths, axis=1, initial=0)
    return widths


def _from_behind(nose: Float, own: Float, solid: bool) -> NDArray[np.bool_]:
    """Say which of n people are seen from their back."""
    shoulders, hips = own[:, :, 0, :], own[:, :, 3, :]
    hidden = np.isnan(nose[:, 0, 0, 0])
    across = (shoulders[:, 0] - shoulders[:, 1]).astype(np.float64)
    down = _either(hips) - (shoulders[:, 0] + shoulders[:, 1]) / 2
    down[np.isnan(hips[..., 0]).all(axis=1)] = (0, 1, 0)
    # Seen from the front, the person's left is on the right, where down is down.
    turn = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    unknown = np.isnan(turn)
    if solid:
        # Edge on: the nearer shoulder says nothing, the face does.
        unknown |= abs(turn) < 0.3 * np.hypot(across[:, 0], across[:, 1]) * np.hypot(down[:, 0], down[:, 1])
    behind: NDArray[np.bool_] = np.where(unknown, hidden, ~(turn > 0))
    return behind


def _either(pair: Float) -> Float:
    """Give the middle of two points (n, 2, 3), or the one that is known, (n, 3)."""
    return _or(_or((pair[:, 0] + pair[:, 1]) * np.float32(0.5), pair[:, 0]), pair[:, 1])


def _or(points: Float, others: Float) -> Float:
    """Take others where points are no numbers."""
    return np.where(np.isnan(points), others, points)


def _more(nose: Float, own: Float, scale: NDArray[np.float64]) -> Float:
    """Make the points of each side that are no keypoints, (n, 2, 9, 3)."""
    _, elbow, wrist, _, knee, ankle, eye, ear, index, pinky, thumb, heel, toe = np.moveaxis(own, 2, 0)
    nose = nose[:, :, 0]
    # A hand or a foot goes straight on from the limb where it has no keypoints of its own. The first quarter of the way
    # is still the wrist, or the ankle.
    hand, foot = wrist - elbow, ankle - knee
    hand[~np.isnan(_or(_or(index, pinky), thumb))] = np.nan
    foot[~np.isnan(_or(heel, toe))] = np.nan
    # From nose to eye to ear; without one of them, past it. The nose alone is no face.
    middle = _or(eye, ear)
    # Forehead and chin are up and down from the eyes.
    up = _either(eye)[:, None] - nose
    up *= (0.25 * scale / np.hypot(up[:, 0, 0], up[:, 0, 1])).astype(np.float32)[:, None, None]
    made = (
        wrist + hand * np.float32(BEYOND_WRIST / 4),
        wrist + hand * np.float32(BEYOND_WRIST),
        ankle + foot * np.float32(BEYOND_ANKLE / 4),
        ankle + foot * np.float32(BEYOND_ANKLE),
        _or(nose, middle),
        middle,
        _or(ear, middle),
        eye + up,
        eye - up * np.float32(1.6),
    )
    return np.stack(made, axis=2)


def _trunk(own: Float, scale: NDArray[np.float64]) -> Float:
    """Give the ends of the trunk's lines, from shoulder to hip and side by side, and of the neck's, (n, 2, 7, 3)."""
    left, right, left_hip, right_hip = (own[:, side, point, None] for point in (0, 3) for side in (0, 1))
    across = (left - right) * np.float32(0.7)
    down = np.zeros_like(left)
    down[:, 0, 1] = TORSO * scale
    left_hip, right_hip = (
        _or(_or(left_hip, right_hip + across), left + down),
        _or(_or(right_hip, left_hip - across), right + down),
    )
    tops, bottoms = left + (right - left) * ACROSS, left_hip + (right_hip - left_hip) * ACROSS
    return np.stack([np.concatenate([tops, left], axis=1), np.concatenate([bottoms, right], axis=1)], axis=1)
