"""From the heads of PoseNet and BodyPix to poses: arg-max for one person, greedy decoding for many.

Heads are planes over a coarse grid: cell (row, column) stands for pixel (row * stride, column * stride) of the
network's input, and a head's channels come first. There are 17 heat maps (logits, one a keypoint), 34 short offsets (17
in y, then 17 in x: from a cell to its keypoint, pixels), and 32 displacements each way along the 16 edges of `CHAIN`
(16 in y, then 16 in x, pixels): forward from the nose outwards, backward towards it.

ref: PersonLab, section 3.1, https://arxiv.org/abs/1803.08225; tfjs-models, posenet/src/multi_pose and single_pose.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEYPOINTS = 17

# The tree whose edges the displacements follow, in the order of their channels, as (parent, child) COCO numbers.
# ref: tfjs-models, posenet/src/keypoints.ts, poseChain
CHAIN = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15),
    (0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip
EDGES = len(CHAIN)

# How often a keypoint that was reached along an edge is pulled to where its short offset points. ref: decode_pose.ts
REFINEMENTS = 2

# Root candidates that are followed together, at most.
BATCH = 128

# Poses that are found for each one that is asked for, at most: the others are of low score and do not count.
POSES_PER_DETECTION = 4

Index = NDArray[np.int32]
Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heads:
    """What the network says of one picture.

    Attributes:
        heat: (17, h, w) float32, logits.
        offsets: (34, h, w) float32, pixels of the input.
        forward: (32, h, w) float32, pixels of the input; None where only one person is looked for.
        backward: (32, h, w) float32, pixels of the input; None where only one person is looked for.
        stride: pixels of the input from cell to cell.

    """

    heat: Float
    offsets: Float
    forward: Float | None
    backward: Float | None
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """Poses in the network's input, the best root first.

    Attributes:
        keypoints: (n, 17, 2) float32, x and y in pixels of the input, where 0 is the middle of the first pixel.
        keypoint_scores: (n, 17) float32, 0 … 1.
        scores: (n,) float32, 0 … 1.

    """

    keypoints: Float
    keypoint_scores: Float
    scores: Float

    def __len__(self) -> int:
        return len(self.scores)


def _walks() -> tuple[tuple[Index, ...], Index]:
    """Order the tree by distance from each possible root, so that one step serves all edges at that distance.

    Returns:
        For each distance 1 … 8 a table (17 roots, 4, width) int32 of sources, targets, the targets' channels and edges,
        where backward edges follow the 32 forward channels. Roots with fewer edges at a distance are padded with edges
        that end in a keypoint 17 that nobody reads. And for each root, (17,) int32, its greatest distance.

    """
    ways: list[list[tuple[int, int]]] = [[] for _ in range(KEYPOINTS)]
    for edge, (parent, child) in enumerate(CHAIN):
        ways[parent].append((child, edge))
        ways[child].append((parent, edge + 2 * EDGES))
    levels: list[list[list[tuple[int, int, int]]]] = [[[] for _ in range(KEYPOINTS)] for _ in range(KEYPOINTS)]
    for root in range(KEYPOINTS):
        seen, front, depth = {root}, [root], 0
        while front:
            steps = [(source, target, edge) for source in front for target, edge in ways[source] if target not in seen]
            front = [target for _, target, _ in steps]
            seen.update(front)
            levels[depth][root] = steps
            depth += 1
    walks = []
    for level in levels:
        width = max(len(steps) for steps in level)
        if width:
            table = np.zeros((KEYPOINTS, 4, width), np.int32)
            for root, steps in enumerate(level):
                table[root, 0], table[root, 1] = root, KEYPOINTS
                for i, (source, target, edge) in enumerate(steps):
                    table[root, :, i] = source, target, target, edge
            walks.append(table)
    depths = [sum(1 for level in levels if level[root]) for root in range(KEYPOINTS)]
    return tuple(walks), np.array(depths, np.int32)


def _ascents() -> tuple[Index, ...]:
    """Give for each keypoint the backward edges on its way to the nose, as 4 tables (17,); -1 where it has arrived."""
    up = {child: (edge, parent) for edge, (parent, child) in enumerate(CHAIN)}
    tables = []
    at = list(range(KEYPOINTS))
    while any(at):
        tables.append(np.array([up[k][0] if k else -1 for k in at], np.int32))
        at = [up[k][1] if k else 0 for k in at]
    return tuple(tables)


WALKS, DEPTHS = _walks()
ASCENTS = _ascents()
_ALL = np.arange(KEYPOINTS, dtype=np.int32)


def sigmoid(logits: Float) -> Float:
    """Take logits to probabilities, without overflow, in the logits' own precision."""
    return np.tanh(logits * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)  # type: ignore[no-any-return]


def logit(probability: float) -> float:
    """Undo `sigmoid`; infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(probability)) - np.log1p(-np.float64(probability)))


class _Field:
    """The heads laid out for following keypoints: positions are in cells, y and x lie side by side.

    Attributes:
        heat: (17 * area,) float32, logits.
        offsets: (17 * area, 2) float32, cells, x first.
        width: cells.
        area: cells.
        last: (2,) float32, the last cell's column and row.

    """

    def __init__(self, heads: Heads) -> None:
        count, height, width = heads.heat.shape
        self.heat = heads.heat.reshape(-1)
        self.width = np.float32(width)
        self.area = np.int32(height * width)
        self.last = np.array([width - 1, height - 1], np.float32)
        self.cells = np.float32(1 / heads.stride)
        self.offsets = np.empty((count * int(self.area), 2), np.float32)
        np.multiply(heads.offsets[count:].reshape(-1), self.cells, out=self.offsets[:, 0])
        np.multiply(heads.offsets[:count].reshape(-1), self.cells, out=self.offsets[:, 1])

    def nearest(self, points: Float) -> tuple[Float, Index]:
        """Give the nearest cell of each point (…, 2): its column and row (…, 2), and its number (…).

        A point beyond the border belongs to the border; one that is no number to the last column or row.
        """
        near = points + np.float32(0.5)
        # Unlike minimum and maximum, fmin and fmax pass over what is no number.
        np.fmin(near, self.last, out=near)
        np.fmax(near, np.float32(0), out=near)
        np.floor(near, out=near)
        return near, (near[..., 1] * self.width + near[..., 0]).astype(np.int32)

    def pulled(self, points: Float, base: Index) -> Float:
        """Give where the nearest cells' short offsets point; `base` (…) is the keypoint's number * area."""
        near, number = self.nearest(points)
        number += base
        near += self.offsets.take(number, axis=0)
        return near

    def at_cell(self, cells: Index, base: Index) -> Float:
        """Give where the short offsets of cells (…) point."""
        rows, columns = np.divmod(cells, np.int32(self.width))
        points = self.offsets.take(base + cells, axis=0)
        points[..., 0] += columns
        points[..., 1] += rows
        return points


def decode_single(heads: Heads, min_score: float = 0.0) -> Poses:
    """Put each keypoint where its heat map is highest, moved by the short offset there: right for one person.

    Args:
        heads: heat maps and offsets.
        min_score: the least score of the pose.

    Returns:
        One pose, whose score is the mean of its keypoints' scores; none where that is too low, or a heat map holds no
        number.

    ref: tfjs-models, posenet/src/single_pose/decode_single_pose.ts

    """
    field = _Field(heads)
    flat = heads.heat.reshape(KEYPOINTS, -1)
    cells = np.where(np.isnan(flat), np.float32(-np.inf), flat).argmax(axis=1).astype(np.int32)
    base = _ALL * field.area
    keypoints = field.at_cell(cells, base)[None] * np.float32(heads.stride)
    scores = sigmoid(field.heat.take(base + cells))[None]
    overall = scores.mean(axis=1, dtype=np.float32)
    counts = np.isfinite(keypoints).all(axis=(1, 2)) & (overall >= np.float32(min_score))
    return Poses(keypoints[counts], scores[counts], overall[counts])


def decode_multiple(
    heads: Heads,
    max_detections: int = 5,
    score_threshold: float = 0.5,
    nms_radius: float = 20.0,
    refinements: int = REFINEMENTS,
    min_score: float = 0.0,
) -> Poses:
    """Find people one after another: the best keypoint that nobody owns starts the next person.

    Candidates are the heat maps' local maxima (3 × 3 cells) that reach the threshold. From each the other sixteen
    keypoints are found along the tree. Candidates are taken in the order of their score; one that lies within the
    radius of the same keypoint of a person found before is not a new person.

    To follow one candidate costs as much as to follow a hundred, so a guess at who they belong to says which ones are
    worth following together. The guess decides the cost alone, never the result.

    Args:
        heads: all four.
        max_detections: people at most.
        score_threshold: the least probability of the keypoint that starts a person.
        nms_radius: pixels of the input.
        refinements: how often a keypoint is pulled to where its short offset points.
        min_score: the least score of a whole pose; one below it is not given and does not count among the people, but
            the keypoints that it has are taken.

    Returns:
        People in the order in which they were found. A person's score is the sum of the scores of the keypoints that
        no earlier person has within the radius, divided by 17.

    ref: PersonLab, section 3.1.3; tfjs-models, posenet/src/multi_pose/decode_multiple_poses.ts; for `min_score`,
    minPoseConfidence in posenet/demo and minPoseScore in body-pix/src/multi_person/decode_instance_masks.ts

    """
    if heads.forward is None or heads.backward is None:
        raise ValueError("several people are found along displacements, but these heads have none")
    field = _Field(heads)
    cells, roots = _candidates(heads, score_threshold)
    starts = field.at_cell(cells, roots * field.area)
    radius = np.float32(nms_radius / heads.stride) ** 2
    # What is not free belongs to somebody, or leads nowhere.
    free = np.isfinite(starts[:, 0] + starts[:, 1])
    displacements = np.concatenate([heads.forward.reshape(-1), heads.backward.reshape(-1)])
    found: list[Float] = []
    chosen: list[int] = []
    most = limit = max_detections
    while True:
        with np.errstate(invalid="ignore"):
            while len(found) < limit and (waiting := np.flatnonzero(free)).size:
                guess = _one_each(
                    field, displacements, waiting, roots[waiting], starts[waiting], np.float32(nms_radius)
                )
                poses = _follow(field, displacements, roots[guess], starts[guess], refinements)
                sound = np.isfinite(poses.sum(axis=(1, 2)))
                free[guess[~sound]] = False
                followed = dict(zip(guess.tolist(), poses, strict=True))
                while len(found) < limit:
                    i = int(free.argmax())
                    if not free[i] or i not in followed:
                        break
                    pose = followed[i]
                    found.append(pose)
                    chosen.append(i)
                    gap = starts - pose.take(roots, axis=0)
                    gap *= gap
                    free &= gap[:, 0] + gap[:, 1] > radius
                    free[i] = False
        if not found:
            empty = np.empty((0, KEYPOINTS), np.float32)
            return Poses(np.empty((0, KEYPOINTS, 2), np.float32), empty, empty[:, 0])
        keypoints = np.stack(found)
        where = field.nearest(keypoints)[1] + _ALL * field.area
        # The keypoint that a person started from has the score that it started with.
        where[np.arange(len(found)), roots[chosen]] = roots[chosen] * field.area + cells[chosen]
        keypoint_scores = sigmoid(field.heat.take(where))
        scores = _instance_scores(keypoints, keypoint_scores, radius)
        count = scores >= np.float32(min_score)
        missing = most - int(count.sum())
        if len(found) < limit or not missing or limit == POSES_PER_DETECTION * most:
            return Poses(keypoints[count] * np.float32(heads.stride), keypoint_scores[count], scores[count])
        limit = min(limit + missing, POSES_PER_DETECTION * most)


def _candidates(heads: Heads, score_threshold: float) -> tuple[Index, Index]:
    """Find the local maxima that reach the threshold, the highest first; equals in the order of rows, then columns.

    Returns:
        Their cells and keypoints, each (c,) int32.

    """
    height, width = heads.heat.shape[1:]
    flat = heads.heat.reshape(-1)
    high = np.flatnonzero(flat >= np.float32(logit(score_threshold))).astype(np.int32)
    roots, cells = np.divmod(high, np.int32(height * width))
    rows, columns = np.divmod(cells, np.int32(width))
    # A neighbour beyond the border is replaced by the cell itself, which changes nothing.
    down = np.stack([-(rows > 0).astype(np.int32), np.zeros_like(rows), (rows < height - 1).astype(np.int32)])
    across = np.stack([-(columns > 0).astype(np.int32), np.zeros_like(rows), (columns < width - 1).astype(np.int32)])
    window = flat.take(high + down[:, None] * np.int32(width) + across[None])
    values = window[1, 1]
    top = ~(window > values).any(axis=(0, 1))
    cells, roots, values = cells[top], roots[top], values[top]
    # Equal scores: as a scan meets them, cell by cell and keypoint by keypoint.
    order = np.lexsort((roots, cells, -values))
    return cells[order], roots[order]


def _one_each(
    field: _Field,
    displacements: Float,
    waiting: NDArray[np.intp],
    roots: Index,
    starts: Float,
    radius: np.float32,
) -> NDArray[np.intp]:
    """Choose the first of the candidates in `waiting` (m,) that seem to belong to the same person.

    Each looks for its nose along the displacements, unrefined; those whose noses share a square of two radii seem to be
    one person.
    """
    step = np.int32(EDGES) * field.area
    noses = starts.copy()
    for ascent in ASCENTS:
        edges = ascent.take(roots)
        climbs = edges >= 0
        where: Index = np.maximum(edges, 0, dtype=np.int32) * field.area
        where += field.nearest(noses)[1]
        where += np.int32(2) * step
        scale = climbs * field.cells
        noses[:, 0] += displacements.take(where + step) * scale
        noses[:, 1] += displacements.take(where) * scale
    squares = field.nearest(noses)[0] * (np.float32(0.5) / (radius * field.cells))
    _, first = np.unique(np.floor(squares[:, 1]) * np.float32(4096) + np.floor(squares[:, 0]), return_index=True)
    first.sort()
    return waiting[first[:BATCH]]


def _follow(field: _Field, displacements: Float, roots: Index, starts: Float, refinements: int) -> Float:
    """Find all keypoints from one, for many people at once.

    Args:
        field: the heads.
        displacements: (64 * area,) float32, pixels: forward, then backward.
        roots: (n,) int32, the keypoint that each person starts from.
        starts: (n, 2) float32, where it is, cells.
        refinements: see `decode_multiple`.

    Returns:
        (n, 17, 2) float32, cells.

    """
    # One spare keypoint takes what padded steps write.
    points = np.zeros((len(roots) * (KEYPOINTS + 1), 2), np.float32)
    row = np.arange(len(roots), dtype=np.int32) * np.int32(KEYPOINTS + 1)
    points[row + roots] = starts
    row = row[:, None]
    step = np.int32(EDGES) * field.area
    for table in WALKS[: int(DEPTHS.take(roots).max())]:
        steps = table.take(roots, axis=0)
        base = steps[:, 2] * field.area
        at = points.take(row + steps[:, 0], axis=0)
        where = field.nearest(at)[1] + steps[:, 3] * field.area
        at[..., 0] += displacements.take(where + step) * field.cells
        at[..., 1] += displacements.take(where) * field.cells
        reached = at
        for _ in range(refinements):
            reached = field.pulled(reached, base)
        # Where the network gave no number, pulling must not hide it.
        reached += at * np.float32(0)
        points[row + steps[:, 1]] = reached
    return points.reshape(-1, KEYPOINTS + 1, 2)[:, :KEYPOINTS]


def _instance_scores(keypoints: Float, scores: Float, radius: np.float32) -> Float:
    """Score people by the keypoints that no earlier one has within the (squared) radius."""
    apart = keypoints[:, None] - keypoints[None]
    apart *= apart
    near = apart[..., 0] + apart[..., 1] <= radius
    earlier = np.tri(len(scores), k=-1, dtype=bool)
    claimed = (near & earlier[..., None]).any(axis=1)
    free = np.where(claimed, np.float32(0), scores)
    return free.sum(axis=1, dtype=np.float32) / np.float32(KEYPOINTS)  # type: ignore[no-any-return]
