"""What `bodylens run` costs a frame of 720p, beside the bare network: CPU, and frames per second.

    .venv/bin/python tests/bench/files.py [MODEL …]

The share is the rate of JSON alone in that of the network, which is asked in turn with it: other work on the machine
then slows both.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime

from bodylens.native import media
from bodylens.native.writer import VideoWriter
from bodylens_models import catalogue, store
from bodylens_server import command

PICTURE = Path(__file__).parents[1] / "pictures" / "astronaut.jpg"
FRAMES, ROUNDS = 300, 3


def write_clip(path: Path) -> None:
    """Write the portrait, sliding."""
    wide = cv2.resize(media.read_picture(PICTURE), (1600, 900))
    with VideoWriter(path) as writer:
        for i in range(FRAMES):
            writer.write(np.ascontiguousarray(wide[i % 180 :][:720, i % 300 :][:, :1280]))


def bare(model: str) -> Callable[[], object]:
    """Give the network alone, with the session that onnxruntime makes by itself."""
    entry = catalogue.entry(model)
    session = onnxruntime.InferenceSession(store.ensure(model), providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.random.rand(1, 3, entry.input.height, entry.input.width).astype("f")}

    def run() -> None:
        for _ in range(FRAMES):
            session.run(None, feed)

    return run


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall time of a frame, milliseconds."""
    before, begun = os.times(), time.perf_counter()
    work()
    after, ended = os.times(), time.perf_counter()
    cpu = after.user + after.system - before.user - before.system
    return 1000 * cpu / FRAMES, 1000 * (ended - begun) / FRAMES


def main() -> None:
    """Print a line a model."""
    print("| model | network | --json | --out | share |\n| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip)
        for model in sys.argv[1:] or ["selfie-general", "selfie-landscape"]:
            works: dict[str, Callable[[], object]] = {"bare": bare(model)}
            for option, name in (("--json", "out.jsonl"), ("--out", "out.mp4")):
                arguments = ["run", str(clip), "--model", model, option, str(Path(folder) / name)]
                works[option] = lambda arguments=arguments: command.main(arguments)  # type: ignore[misc]
            rounds = [{name: measured(work) for name, work in works.items()} for _ in range(ROUNDS)]
            cells = [
                f"{median(r[name][0] for r in rounds):.1f} ms CPU, {1000 / median(r[name][1] for r in rounds):.1f} fps"
                for name in works
            ]
            share = median(r["bare"][1] / r["--json"][1] for r in rounds)
            print(f"| {model} | {' | '.join(cells)} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
