"""What more people cost: decoding poses from heads, whole frames with their network, giving each pixel its person.

Runs under CPython (`python tests/bench/crowds.py`) and, through `crowds.mjs`, in Pyodide, with networks run by
onnxruntime-web.
"""

import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "pysrc"))

from painted import paint, standing

from bodylens import Frame, Inferred, Region
from bodylens.bodypix import BodyPix
from bodylens.instances import distances
from bodylens.personlab import Poses, decode_multiple
from bodylens.pipeline import finish
from bodylens.posenet import PoseNet
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


def milliseconds(work: Callable[[], object]) -> tuple[float, float, float]:
    """The least, which another program's load does not change, the median, and the 95th percentile."""
    spent = []
    for _ in range(ROUNDS + 10):
        start = time.perf_counter()
        work()
        spent.append((time.perf_counter() - start) * 1000)
    return min(spent[10:]), float(np.median(spent[10:])), float(np.percentile(spent[10:], 95))


def decoding() -> list[str]:
    """How long decoding takes for each grid and crowd."""
    lines = [f"{'poses from heads, input':34}{'people':>7}{'found':>7}{'least':>8}{'median':>8}{'95 %':>8}"]
    for name, shape in GRIDS.items():
        for n in PEOPLE:
            heads = paint(crowd(n, shape), np.linspace(0.95, 0.6, n), shape, STRIDE)
            found = len(decode_multiple(heads, max_detections=40))
            times = milliseconds(lambda heads=heads: decode_multiple(heads, max_detections=40))
            lines.append(f"{name:34}{n:7}{found:7}" + "".join(f"{time:8.2f}" for time in times))
    return lines


def painted_offsets(poses: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Make long offsets (34, h, w) that point from each cell to the person (n, 17, 2) whose middle is nearest."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * STRIDE
    owner = np.stack([np.hypot(x - p[:, 0].mean(), y - p[:, 1].mean()) for p in poses]).argmin(axis=0)
    offsets = np.concatenate([poses[owner, :, 1] - y[..., None], poses[owner, :, 0] - x[..., None]], axis=2)
    return np.ascontiguousarray(offsets.transpose(2, 0, 1), np.float32)


def answers(n: int, shape: tuple[int, int]) -> Inferred:
    """What a network would answer where n people are."""
    poses = np.stack(crowd(n, shape)).astype(np.float32)
    heads = paint(poses, np.linspace(0.95, 0.6, n), shape, STRIDE)
    planes = {
        "heatmaps": heads.heat,
        "offsets": heads.offsets,
        "displacement_fwd": heads.forward,
        "displacement_bwd": heads.backward,
        "long_offsets": painted_offsets(poses, shape),
        "segments": np.full((1, *shape), 5, np.float32),
    }
    return Inferred({name: plane[None] for name, plane in planes.items()})


def network(model: str) -> float:
    """The least time that a network takes natively."""
    import onnxruntime

    from bodylens_models import catalogue, store

    entry = catalogue.entry(model)
    session = onnxruntime.InferenceSession(store.ensure(model))
    image = np.zeros(entry.input.shape, np.float32)
    return milliseconds(lambda: session.run(None, {entry.input.name: image}))[0]


def frames(networks: dict[str, float]) -> list[str]:
    """How long whole frames take without their pixels: the network, then all that Python does up to ids and maps.

    The growth is against one person, of the least times.
    """
    lines = [f"{'whole frames':34}{'people':>7}{'found':>7}{'least':>8}{'median':>8}{'network':>8}{'growth':>8}"]
    systems = {
        "PoseNet: poses, ids": ("posenet-075", (25, 25), PoseNet("posenet-075", max_detections=40)),
        "BodyPix: poses, ids, person map": (
            "bodypix-050",
            (23, 31),
            BodyPix("bodypix-050", person_map=True, max_detections=40),
        ),
        "BodyPix: and whose each cell is": (
            "bodypix-050",
            (23, 31),
            BodyPix("bodypix-050", multi_segmentation=True, max_detections=40),
        ),
    }
    for name, (model, shape, pipeline) in systems.items():
        takes = networks.get(model) or network(model)
        first = 0.0
        for n in PEOPLE:
            answer = answers(n, shape)
            pipeline.reset()
            clock = iter(range(1000))

            def frame(pipeline=pipeline, answer=answer, clock=clock) -> int:
                number = next(clock)
                return len(finish(pipeline.estimate(Frame(number, number / 30, 640, 480)), lambda asked: [answer]))

            found = frame()
            least, median, _ = milliseconds(frame)
            first = first or takes + least
            growth = (takes + least) / first - 1
            lines.append(f"{name:34}{n:7}{found:7}{least:8.2f}{median:8.2f}{takes:8.1f}{growth:8.1%}")
    return lines


def assignment() -> list[str]:
    """How long it takes to give each pixel of 1049 × 861 its person, where every pixel is a person."""
    shape = (27, 33)
    frame, region = Frame(0, 0.0, 1049, 861), Region.whole(1049, 861)
    lines = [f"{'each pixel of 1049 × 861':34}{'people':>7}{'':7}{'least':>8}{'median':>8}{'95 %':>8}"]
    for n in PEOPLE:
        poses = np.stack(crowd(n, shape)).astype(np.float32)
        offsets = painted_offsets(poses, shape)
        scores = np.full((n, 17), 0.9, np.float32)
        found = Poses(poses, scores, scores[:, 0])
        logits = np.full(shape, 5, np.float32)

        def assign(offsets=offsets, found=found, logits=logits) -> np.ndarray:
            far = distances(offsets, found, STRIDE, logits > 0)
            return Segmentation(frame, region, logits, 0.7, distances=far).instances()

        lines.append(f"{'to its person':34}{n:7}{'':7}" + "".join(f"{time:8.2f}" for time in milliseconds(assign)))
    return lines


def main(networks: dict[str, float] | None = None) -> str:
    """Measure; gives the table.

    networks: how many milliseconds each takes, by name, where they cannot be run here.
    """
    head = f"Python {platform.python_version()} on {sys.platform}, numpy {np.__version__}; ms"
    return "\n".join([head, *decoding(), *frames(networks or {}), *assignment()])


if __name__ == "__main__":
    print(main())
