"""What more people cost: decoding poses from PoseNet's heads, and giving each pixel its person.

Runs under CPython (`python tests/bench/crowds.py`) and, through `crowds.mjs`, in Pyodide.
"""

import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "pysrc"))

from painted import paint, standing

from bodylens import Frame, Region
from bodylens.instances import distances
from bodylens.personlab import Poses, decode_multiple
from bodylens.segmentation import Segmentation

ROUNDS = 60
STRIDE = 16
PEOPLE = (1, 5, 15, 30)
# (rows, columns) of the grid, and the input that gives it.
GRIDS = {"385 × 385": (25, 25), "641 × 481": (31, 41), "1281 × 721": (46, 81)}


def crowd(n: int, shape: tuple[int, int]) -> list[np.ndarray]:
    """Place n people in rows, each a little aside, as large as fits."""
    height, width = (shape[0] - 1) * STRIDE, (shape[1] - 1) * STRIDE
    across = int(np.ceil(np.sqrt(n * width / height)))
    down = int(np.ceil(n / across))
    size = min(height / down / 105, width / across / 35)
    rng = np.random.default_rng(0)
    return [
        standing(
            (i % across + 0.5) * width / across + rng.uniform(-3, 3),
            (i // across + 0.58) * height / down + rng.uniform(-3, 3),
            size,
        )
        for i in range(n)
    ]


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    spent = []
    for _ in range(ROUNDS + 10):
        start = time.perf_counter()
        work()
        spent.append((time.perf_counter() - start) * 1000)
    return float(np.median(spent[10:])), float(np.percentile(spent[10:], 95))


def decoding() -> list[str]:
    """How long decoding takes for each grid and crowd."""
    lines = [f"{'poses from heads, input':34}{'people':>7}{'found':>7}{'median':>8}{'95 %':>8}"]
    for name, shape in GRIDS.items():
        for n in PEOPLE:
            heads = paint(crowd(n, shape), np.linspace(0.95, 0.6, n), shape, STRIDE)
            found = len(decode_multiple(heads, max_detections=40))
            median, most = milliseconds(lambda heads=heads: decode_multiple(heads, max_detections=40))
            lines.append(f"{name:34}{n:7}{found:7}{median:8.2f}{most:8.2f}")
    return lines


def assignment() -> list[str]:
    """How long it takes to give each pixel of 1049 × 861 its person, where every pixel is a person."""
    shape = (27, 33)
    frame, region = Frame(0, 0.0, 1049, 861), Region.whole(1049, 861)
    lines = [f"{'each pixel of 1049 × 861':34}{'people':>7}{'':7}{'median':>8}{'95 %':>8}"]
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * STRIDE
    for n in PEOPLE:
        poses = np.stack(crowd(n, shape)).astype(np.float32)
        owner = np.stack([np.hypot(x - p[:, 0].mean(), y - p[:, 1].mean()) for p in poses]).argmin(axis=0)
        offsets = np.concatenate([poses[owner, :, 1] - y[..., None], poses[owner, :, 0] - x[..., None]], axis=2)
        offsets = np.ascontiguousarray(offsets.transpose(2, 0, 1), np.float32)
        scores = np.full((n, 17), 0.9, np.float32)
        found = Poses(poses, scores, scores[:, 0])
        logits = np.full(shape, 5, np.float32)

        def assign(offsets=offsets, found=found, logits=logits) -> np.ndarray:
            far = distances(offsets, found, STRIDE, logits > 0)
            return Segmentation(frame, region, logits, 0.7, distances=far).instances()

        median, most = milliseconds(assign)
        lines.append(f"{'to its person':34}{n:7}{'':7}{median:8.2f}{most:8.2f}")
    return lines


def main() -> str:
    """Measure; gives the table."""
    head = f"Python {platform.python_version()} on {sys.platform}, numpy {np.__version__}; ms"
    return "\n".join([head, *decoding(), *assignment()])


if __name__ == "__main__":
    print(main())
