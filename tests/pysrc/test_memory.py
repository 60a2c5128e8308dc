"""Thousands of frames of every system take no more memory than hundreds: what decides, without networks and pixels."""

import gc
import sys
import tracemalloc
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from decisions import CASES, HEIGHT, WIDTH

from bodylens import Frame, Inferred, Mask
from bodylens.pipeline import finish
from bodylens.record import pack
from bodylens.selfie import SelfieSegmentation

WARM, FRAMES = 200, 2000
# Bytes: 16 a frame, which is less than any object takes that is kept.
SLACK = 16 * FRAMES


def selfie():
    """Selfie segmentation, with masks as a driver hands them out."""
    made = iter(range(1_000_000))

    def answer(asked):
        return [
            Inferred({}, (Mask(next(made), 256, 256, r.region, "person", 0.5, 900, 0.9, (10, 10, 90, 200)),))
            for r in asked
        ]

    return SelfieSegmentation("selfie-general", smoothing=True), answer


ALIKE = ("MoveNet Thunder, decoded here", "MultiPose, decoded here", "MultiPose at 512, 6 people")
EVERY = {name: case for name, case in CASES.items() if name not in ALIKE} | {"Selfie segmentation": selfie}


def run(pipeline, answer, frames):
    for i in frames:
        frame = Frame(i, i / 30, WIDTH, HEIGHT)
        pack(finish(pipeline.estimate(frame), answer))
        pipeline.ahead(frame)


@pytest.mark.parametrize("case", EVERY)
def test_two_thousand_frames_leave_nothing_behind(case):
    pipeline, answer = EVERY[case]()
    run(pipeline, answer, range(WARM))
    gc.collect()
    tracemalloc.start()
    try:
        run(pipeline, answer, range(WARM, WARM + WARM))
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        run(pipeline, answer, range(2 * WARM, 2 * WARM + FRAMES))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"\n{case}: {after - before:+} bytes after {FRAMES} frames")
    assert after - before < SLACK
