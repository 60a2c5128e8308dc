"""Resizing of images."""

from collections.abc import Sequence

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.value import Value


def resize_bilinear(
    graph: Graph, x: Value, size: Sequence[int], *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Value:
    """X (n, h, w, c) to `size` (height, width), linearly, with TensorFlow's three rules for where a pixel lies.

    The factor is given, not the size: WebGL takes no other. ref: tensorflow/core/kernels/image/resize_bilinear_op.cc
    """
    if len(size) != 2:
        raise ConversionError(f"an image is resized to a height and a width, not to {list(size)}")
    x = graph.channels_first(x)
    n, h, w, c = x.shape
    if (h, w) == tuple(size):
        return x
    mode = "align_corners" if align_corners else "half_pixel" if half_pixel_centers else "asymmetric"
    scales = graph.constant([1.0, 1.0, size[0] / h, size[1] / w], np.float32)
    return graph.node(
        "Resize",
        [x, graph.constant(np.zeros(0, np.float32)), scales],
        (n, int(size[0]), int(size[1]), c),
        channels_first=True,
        mode="linear",
        coordinate_transformation_mode=mode,
    )
