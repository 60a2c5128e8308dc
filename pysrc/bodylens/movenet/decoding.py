"""From MoveNet's heads to keypoints, for networks that were cut before their own decoding.

The heads are planes over a grid of cells, joined in one array (1, 86, rows, columns) float32: 0 the centre map; 1–34
the regression from the centre (y, x of each keypoint, cells); 35–51 the keypoints' heat maps; 52–85 their offsets
inside the cell (y, x of each keypoint, cells). MultiPose has 90: after the centre map, 1–2 are the boxes' heights and
widths and 3–4 their middles' offsets (y, x); the rest follows. Maps hold probabilities.

ref: https://blog.tensorflow.org/2021/05/next-generation-pose-detection-with-movenet-and-tensorflowjs.html (the steps);
     MoveNet's graph (the constants)
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bodylens.topology import COCO

Floats = NDArray[np.float32]

KEYPOINTS = len(COCO)
REGRESSION = 1
HEAT = REGRESSION + 2 * KEYPOINTS
OFFSET = HEAT + KEYPOINTS

# Where MultiPose's planes begin.
BOX_SIZE = 1
BOX_OFFSET = 3
MULTI_REGRESSION = 5
MULTI_HEAT = MULTI_REGRESSION + 2 * KEYPOINTS
MULTI_OFFSET = MULTI_HEAT + KEYPOINTS
MOST = 6
# MultiPose: a centre is the highest of 5 × 5 cells; weights fall off as exp(−distance² / (spread · shorter side)); a
# keypoint above the last of these counts for the person's score.
REACH = 2
SPREAD = 19.203125 / 64
SURE = np.float32(0.126953125)

# Weights fall off as 1 / (distance in cells + this); in the graph a float16.
NEAR = np.float32(1.7998046875)


@lru_cache(maxsize=4)
def centre_weights(rows: int, columns: int) -> Floats:
    """Weigh cells by their distance from the frame's middle, (rows * columns,) float32, rounded as in the graph."""
    y = np.arange(rows, dtype=np.float32)[:, None] - rows // 2
    x = np.arange(columns, dtype=np.float32)[None] - columns // 2
    weights: Floats = (1 / (np.sqrt(y * y + x * x) + np.float32(1.8))).astype(np.float16).astype(np.float32).ravel()
    return weights


def decode(heads: Floats) -> Floats:
    """Read one person out of the heads.

    1. The person's centre is where the centre map, weighted by nearness to the middle, is highest.
    2. The regression at the centre says roughly where each keypoint is.
    3. Each heat map, weighted by nearness to that place, is highest in the keypoint's cell.
    4. The offset in that cell says where in it.

    Returns:
        (17, 3) float32: y, x (0 … 1 over the network's input), score.

    """
    count, rows, columns = (int(side) for side in heads.shape[-3:])
    planes = heads.reshape(count, rows, columns)
    flat = heads.reshape(count, rows * columns)

    centre = int((flat[0] * centre_weights(rows, columns)).argmax())
    rough = flat[REGRESSION:HEAT, centre].reshape(KEYPOINTS, 2)
    y = rough[:, 0] + np.float32(centre // columns)
    x = rough[:, 1] + np.float32(centre % columns)

    down = np.arange(rows, dtype=np.float32) - y[:, None]
    across = np.arange(columns, dtype=np.float32) - x[:, None]
    away = np.add((down * down)[:, :, None], (across * across)[:, None, :])
    np.sqrt(away, out=away)
    away += NEAR
    np.divide(planes[HEAT:OFFSET], away, out=away)
    cells = away.reshape(KEYPOINTS, -1).argmax(axis=1)

    each = np.arange(KEYPOINTS)
    found = np.empty((KEYPOINTS, 3), np.float32)
    offsets = flat[OFFSET:]
    found[:, 0] = (cells // columns + offsets[2 * each, cells]) * _half(1 / rows)
    found[:, 1] = (cells % columns + offsets[2 * each + 1, cells]) * _half(1 / columns)
    found[:, 2] = flat[HEAT:OFFSET][each, cells]
    return found


def decode_several(heads: Floats) -> Floats:
    """Read up to six people out of MultiPose's heads, as the network's own decoding does.

    Each of the six highest peaks of the centre map is a person. Its keypoints are where the heat maps, inside its box
    and weighted by nearness to the regressed place, are highest; their scores are those weighted values.

    Returns:
        (n, 56) float32: 17 times y, x (0 … 1 over the network's input), score; then ymin, xmin, ymax, xmax and the
        person's score. The surest centre comes first.

    """
    count, rows, columns = (int(side) for side in heads.shape[-3:])
    planes = heads.reshape(count, rows, columns)
    flat = heads.reshape(count, rows * columns)
    centres = _peaks(planes[0])
    n = len(centres)
    row, column = (centres // columns).astype(np.float32), (centres % columns).astype(np.float32)

    size = np.maximum(flat[BOX_SIZE:BOX_OFFSET, centres], 0) * np.float32(0.5)
    middle = flat[BOX_OFFSET:MULTI_REGRESSION, centres] + np.stack([row, column])
    most = np.array([[rows], [columns]], np.float32)
    low, high = np.clip(middle - size, 0, most), np.clip(middle + size, 0, most)

    rough = flat[MULTI_REGRESSION:MULTI_HEAT, centres].T.reshape(n, KEYPOINTS, 2)
    ys, xs = np.arange(rows, dtype=np.float32), np.arange(columns, dtype=np.float32)
    spread = np.float32(SPREAD * min(rows, columns))
    down = _nearness(ys, rough[..., 0] + row[:, None], low[0], high[0], spread)
    across = _nearness(xs, rough[..., 1] + column[:, None], low[1], high[1], spread)
    heat = planes[MULTI_HEAT:MULTI_OFFSET]
    each = np.arange(KEYPOINTS)
    cells = np.zeros((n, KEYPOINTS), np.intp)
    for person, (top, left) in enumerate(np.ceil(low).astype(np.intp).T.tolist()):
        bottom, right = int(np.ceil(high[0, person])), int(np.ceil(high[1, person]))
        if top < bottom and left < right:
            inside = heat[:, top:bottom, left:right] * down[person, :, top:bottom, None]
            inside *= across[person, :, None, left:right]
            weighed = inside.reshape(KEYPOINTS, -1)
            best = weighed.argmax(axis=1)
            best_row, best_column = best // (right - left) + top, best % (right - left) + left
            # Where nothing is above 0 the network takes the very first cell.
            cells[person] = (best_row * columns + best_column) * (weighed[each, best] > 0)

    at_row, at_column = cells // columns, cells % columns
    # A cell's weight is the largest that any person gives it.
    weight = (down[:, each, at_row] * across[:, each, at_column]).max(axis=0, initial=0)
    scores = flat[MULTI_HEAT:MULTI_OFFSET][each, cells] * weight
    counts = scores > SURE
    total = np.where(counts, scores, 0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)

    found = np.empty((n, 3 * KEYPOINTS + 5), np.float32)
    keypoints = found[:, : 3 * KEYPOINTS].reshape(n, KEYPOINTS, 3)
    offsets = flat[MULTI_OFFSET:]
    keypoints[..., 0] = (at_row + offsets[2 * each, cells]) / rows
    keypoints[..., 1] = (at_column + offsets[2 * each + 1, cells]) / columns
    keypoints[..., 2] = scores
    found[:, : 3 * KEYPOINTS] = keypoints.reshape(n, -1)
    found[:, -5:-3], found[:, -3:-1] = (low / most).T, (high / most).T
    found[:, -1] = flat[0, centres] * total
    return found


def _peaks(centre: Floats) -> NDArray[np.intp]:
    """Give the flat cells of the highest peaks, the highest first."""
    padded = np.pad(centre, REACH)
    width = 2 * REACH + 1
    rows, columns = centre.shape
    tall = padded[:rows].copy()
    for i in range(1, width):
        np.maximum(tall, padded[i : i + rows], out=tall)
    wide = tall[:, :columns].copy()
    for i in range(1, width):
        np.maximum(wide, tall[:, i : i + columns], out=wide)
    peaks = np.flatnonzero(wide - centre < np.float32(1e-6))
    order = np.argsort(-centre.reshape(-1)[peaks], kind="stable")
    return peaks[order[:MOST]]


def _nearness(cells: Floats, place: Floats, low: Floats, high: Floats, spread: np.float32) -> Floats:
    """Weigh the cells along one axis: (n, 17, cells), 0 outside the boxes."""
    away = cells - place[..., None]
    inside = (cells >= low[:, None]) & (cells < high[:, None])
    weights: Floats = np.exp(-(away * away) / spread) * inside[:, None]
    return weights


def _half(value: float) -> np.float32:
    """Round as the graph's constants are."""
    return np.float32(np.float16(value))
