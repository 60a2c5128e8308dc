"""SSD anchors: where the cells of a detector's output lie in its input.

ref: mediapipe/calculators/tflite/ssd_anchors_calculator.cc
"""

from collections.abc import Sequence
from itertools import groupby
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray


def make_anchors(
    width: int,
    height: int,
    strides: Sequence[int],
    *,
    min_scale: float,
    max_scale: float,
    aspect_ratios: Sequence[float] = (1.0,),
    interpolated_aspect_ratio: float = 1.0,
    reduce_lowest: bool = False,
    fixed_size: bool = False,
    offset: float = 0.5,
) -> NDArray[np.float32]:
    """Lay out the anchors of a single-shot detector.

    Args:
        width: of the network's input, pixels.
        height: of the network's input, pixels.
        strides: pixels from cell to cell, one for each layer; neighbouring layers of one stride share their cells.
        min_scale: size of the first layer's anchors, relative to the input.
        max_scale: size of the last layer's anchors.
        aspect_ratios: width / height of the anchors of each cell and layer.
        interpolated_aspect_ratio: that of an extra anchor between this layer's scale and the next one's; 0 for none.
        reduce_lowest: give the first layer the three anchors of the original SSD instead.
        fixed_size: make all anchors 1 × 1.
        offset: of an anchor's centre in its cell.

    Returns:
        (n, 4) float32: centre x, centre y, width, height, relative to the input.

    """
    count = len(strides)

    def scale(layer: int) -> float:
        if count == 1:
            return (min_scale + max_scale) / 2
        return min_scale + (max_scale - min_scale) * layer / (count - 1)

    layers: list[NDArray[np.float64]] = []
    for stride, group in groupby(range(count), key=strides.__getitem__):
        sizes: list[tuple[float, float]] = []  # scale, aspect ratio
        for layer in group:
            if layer == 0 and reduce_lowest:
                sizes += [(0.1, 1.0), (scale(0), 2.0), (scale(0), 0.5)]
                continue
            sizes += [(scale(layer), ratio) for ratio in aspect_ratios]
            if interpolated_aspect_ratio > 0:
                following = 1.0 if layer == count - 1 else scale(layer + 1)
                sizes.append((sqrt(scale(layer) * following), interpolated_aspect_ratio))
        columns, rows = ceil(width / stride), ceil(height / stride)
        cells = np.empty((rows, columns, len(sizes), 4))
        cells[..., 0] = ((np.arange(columns) + offset) / columns)[None, :, None]
        cells[..., 1] = ((np.arange(rows) + offset) / rows)[:, None, None]
        cells[..., 2] = 1.0 if fixed_size else [s * sqrt(ratio) for s, ratio in sizes]
        cells[..., 3] = 1.0 if fixed_size else [s / sqrt(ratio) for s, ratio in sizes]
        layers.append(cells.reshape(-1, 4))
    return np.concatenate(layers).astype(np.float32)
