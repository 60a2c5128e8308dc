"""How long Python decides a frame: decoding, filtering and tracking, without networks and pixels.

Runs under CPython (`python tests/bench/decisions.py`) and, through `decisions.mjs`, in Pyodide. Every case is run a few
times, and of each frame the least counts: what a frame costs it costs in every run, what other programs and the
compiler's warming up take it does not.
"""

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bodylens import Frame, Inferred
from bodylens.blazepose import BlazePose, detector
from bodylens.blazepose.alignment import body_region
from bodylens.limb_parts import capsules
from bodylens.movenet import MoveNet, MoveNetMultiPose
from bodylens.people import People
from bodylens.record import pack
from bodylens.topology import BLAZEPOSE

FRAMES = 300
RUNS = 5
WIDTH, HEIGHT = 1280, 720
RANDOM = np.random.default_rng(0)


def blazepose(people: int) -> tuple[Any, Callable[[Any], list[Inferred]]]:
    """BlazePose with `people` in a row who never leave; the detector looks for more now and then."""
    heat = RANDOM.normal(0, 3, (1, 39, 64, 64)).astype(np.float32)
    shape = RANDOM.uniform(-0.3, 0.3, (39, 3)).astype(np.float32)
    world = RANDOM.normal(size=(1, 117)).astype(np.float32)
    places = [(WIDTH * (i + 0.5) / people, HEIGHT / 2) for i in range(people)]

    def look(request: Any) -> Inferred:
        if request.model == detector.MODEL:
            boxes = np.zeros((1, 2254, 12), np.float32)
            scores = np.full((1, 2254, 1), -9, np.float32)
            for at in places:
                points = request.region.from_frame(np.array([at, at, (at[0], at[1] - 90)]))
                anchor = int(np.square(detector.ANCHORS[:, :2] - points[0]).sum(axis=1).argmin())
                near = points - detector.ANCHORS[anchor, :2]
                boxes[0, anchor] = np.concatenate([near[0], [0.03, 0.03], near[1:].ravel(), np.zeros(4)]) * 224
                scores[0, anchor] = 3
            return Inferred({"boxes": boxes, "scores": scores})
        x, y = min(places, key=lambda at: (at[0] - request.region.x) ** 2 + (at[1] - request.region.y) ** 2)
        own = body_region((x, y), (x, y - 90))
        values = np.zeros((1, 39, 5), np.float32)
        values[0, :, :3] = shape * 0.5 + 0.5
        values[0, 33, :2], values[0, 34, :2] = (0.5, 0.5), (0.5, 0.1)
        values[0, :, :2] = request.region.from_frame(own.to_frame(values[0, :, :2].astype(np.float64)))
        values[0, :, :3] += RANDOM.normal(0, 0.002, (39, 3))
        values *= 256
        outputs = {"landmarks": values.reshape(1, 195), "flag": np.ones((1, 1), np.float32), "heatmap": heat}
        return Inferred({**outputs, "world": world})

    return BlazePose(max_poses=people if people == 1 else people + 1), lambda asked: [look(r) for r in asked]


def movenet(heads: int) -> tuple[Any, Callable[[Any], list[Inferred]]]:
    """MoveNet for one person, decoded in the network (0) or here on a grid of so many rows (48 or 64)."""
    values = RANDOM.uniform(0.3, 0.7, (1, 1, 17, 3)).astype(np.float32)
    planes = RANDOM.uniform(0, 1, (1, 86, heads or 1, heads or 1)).astype(np.float32)
    outputs = {"poses": values, "heads": planes}
    return MoveNet(heads=bool(heads)), lambda asked: [Inferred(outputs)]


def multipose(people: int) -> tuple[Any, Callable[[Any], list[Inferred]]]:
    """MultiPose with `people` in a row."""
    rows = RANDOM.uniform(0.4, 0.6, (1, 6, 56)).astype(np.float32)
    for i in range(6):
        rows[0, i, :51].reshape(17, 3)[:, 1] *= 0.1
        rows[0, i, :51].reshape(17, 3)[:, 1] += i / 6
        rows[0, i, 51:] = [0.3, i / 6, 0.7, (i + 0.9) / 6, 0.9 if i < people else 0.0]

    return MoveNetMultiPose(), lambda asked: [Inferred({"poses": rows})]


def multipose_heads(people: int, longest: int = 256) -> tuple[Any, Callable[[Any], list[Inferred]]]:
    """MultiPose with `people` in a row, each a peak with a tall box, decoded here."""
    pipeline = MoveNetMultiPose(heads=True, multi_pose_max_dimension=longest)
    width, height = pipeline.ahead(Frame(0, 0.0, WIDTH, HEIGHT))[0].size or (longest, longest)
    rows, columns = height // 4, width // 4
    planes = RANDOM.uniform(0, 0.01, (1, 90, rows, columns)).astype(np.float32)
    planes[:, 39:56] = RANDOM.uniform(0.3, 0.9, (1, 17, rows, columns))
    for i in range(people):
        planes[0, :3, rows // 3, round((0.08 + 0.16 * i) * columns)] = [0.9, 0.56 * rows, 0.19 * columns]
    return pipeline, lambda asked: [Inferred({"heads": planes})]


def measure(pipeline: Any, answer: Callable[[Any], list[Inferred]]) -> tuple[np.ndarray, People]:
    """Milliseconds of each frame, without what `answer` takes."""
    spent = np.empty(FRAMES)
    for i in range(FRAMES):
        frame = Frame(i, i / 30, WIDTH, HEIGHT)
        estimation = pipeline.estimate(frame)
        start = time.perf_counter()
        total = 0.0
        try:
            asked = next(estimation)
            while True:
                total += time.perf_counter() - start
                answers = answer(asked)
                start = time.perf_counter()
                asked = estimation.send(answers)
        except StopIteration as stop:
            people = stop.value
        pack(people)
        pipeline.ahead(frame)
        spent[i] = (total + time.perf_counter() - start) * 1000
    return spent[20:], people


def bodies(people: int) -> np.ndarray:
    """Milliseconds to describe `people` of 33 keypoints as capsules."""
    n, k = people, len(BLAZEPOSE)
    nobody = People.none(Frame(0, 0.0, WIDTH, HEIGHT), BLAZEPOSE.names)
    spent = np.empty(FRAMES)
    for i in range(FRAMES):
        keypoints = RANDOM.uniform(0, 700, (n, k, 3)).astype(np.float32)
        who = replace(
            nobody, ids=np.arange(n, dtype=np.int32), keypoints=keypoints, keypoint_scores=np.ones((n, k), np.float32)
        )
        start = time.perf_counter()
        capsules(who)
        spent[i] = (time.perf_counter() - start) * 1000
    return spent[20:]


CASES = {
    "BlazePose, 1 person": lambda: blazepose(1),
    "BlazePose, 6 people": lambda: blazepose(6),
    "MoveNet, decoded in the network": lambda: movenet(0),
    "MoveNet Lightning, decoded here": lambda: movenet(48),
    "MoveNet Thunder, decoded here": lambda: movenet(64),
    "MultiPose, decoded in the network": lambda: multipose(6),
    "MultiPose, decoded here": lambda: multipose_heads(1),
    "MultiPose, decoded here, 6 people": lambda: multipose_heads(6),
    "MultiPose at 512, 6 people": lambda: multipose_heads(6, 512),
}


def main() -> str:
    """Measure every case; gives the table."""
    where = f"Python {platform.python_version()} on {sys.platform}, numpy {np.__version__}"
    lines = [f"{where}; ms a frame, the least of {RUNS} runs"]
    lines.append(f"{'':34}{'people':>7}{'median':>8}{'95 %':>8}{'most':>8}")
    for name, make in CASES.items():
        runs, people = zip(*(measure(*make()) for _ in range(RUNS)), strict=True)
        spent = np.min(runs, axis=0)
        numbers = f"{np.median(spent):8.2f}{np.percentile(spent, 95):8.2f}{spent.max():8.2f}"
        lines.append(f"{name:34}{len(people[-1]):7}{numbers}")
    for many in (1, 6):
        spent = np.min([bodies(many) for _ in range(RUNS)], axis=0)
        numbers = f"{np.median(spent):8.2f}{np.percentile(spent, 95):8.2f}{spent.max():8.2f}"
        lines.append(f"{'capsules of bodies':34}{many:7}{numbers}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(main())
