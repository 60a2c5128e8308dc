"""From MoveNet's coordinates to pixels of the frame."""

import numpy as np
from numpy.typing import NDArray

from bodylens.region import Region

Floats = NDArray[np.float32]


def to_pixels(points: Floats, region: Region, width: int, height: int) -> Floats:
    """Take points (..., 2) from y, x in units of the network's input to x, y in the frame.

    The network's 0 is the middle of its input's first pixel, and the original gives keypoints that count from the
    middle of the frame's first pixel, whereas regions run from edge to edge.

    Args:
        points: (..., 2) float32: y, x, 0 … 1.
        region: what the network saw.
        width: of the network's input, pixels.
        height: of the network's input, pixels.

    """
    edges = points[..., ::-1] + np.array([0.5 / width, 0.5 / height], np.float32)
    pixels: Floats = region.to_frame(edges) - np.float32(0.5)
    return pixels
