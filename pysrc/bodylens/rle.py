"""Run lengths of a binary mask, in the order that COCO uses."""

import numpy as np
from numpy.typing import NDArray


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """Count the runs of a mask, column after column, beginning with the run of False (which may be 0 long).

    Args:
        mask: (height, width) bool.

    Returns:
        Run lengths that add up to height * width; `pycocotools.mask.frPyObjects({"size": [h, w], "counts": …})` reads
        them.

    ref: https://github.com/cocodataset/cocoapi (uncompressed RLE)

    """
    cells = mask.ravel(order="F")
    if not cells.size:
        return []
    edges = np.flatnonzero(cells[1:] != cells[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [cells.size]])).tolist()
    return [0, *runs] if cells[0] else runs


def decode(runs: list[int], width: int, height: int) -> NDArray[np.bool_]:
    """Undo `encode`.

    Raises:
        ValueError: the runs do not add up to width * height.

    """
    if sum(runs) != width * height:
        raise ValueError(f"run lengths add up to {sum(runs)}, but the mask has {width} × {height} cells")
    cells = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return cells.reshape((height, width), order="F")
