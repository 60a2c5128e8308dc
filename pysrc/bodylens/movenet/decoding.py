"""From MoveNet's heads to keypoints, for networks that were cut before their own decoding.

The heads are planes over a grid of cells, joined in one array (1, 86, rows, columns) float32: 0 the centre map; 1–34
the regression from the centre (y, x of each keypoint, cells); 35–51 the keypoints' heat maps; 52–85 their offsets
inside the cell (y, x of each keypoint, cells). Maps hold probabilities.

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


def _half(value: float) -> np.float32:
    """Round as the graph's constants are."""
    return np.float32(np.float16(value))
