"""Temporal filters over all points of all persons at once.

A filter holds parameters only. What it remembers is a value that goes in and comes out, so that a frame that fails
changes nothing: `filtered, memory = one_euro.step(memory, rows, values, time)`. `rows` says, person by person, where
the memory has them (see `rows_of`), which lets persons come and go.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]
Parameter = float | Floats

# A person's size below which nothing is smoothed. ref: mediapipe's LandmarksSmoothingCalculatorOptions
MIN_OBJECT_SCALE = 1e-6


def rows_of(known: NDArray[np.int32], ids: NDArray[np.int32]) -> Rows:
    """Say where each of `ids` (n,) stands in `known` (m,): (n,) int32, -1 where it does not."""
    if not len(known) or not len(ids):
        return np.full(len(ids), -1, np.int32)
    same = ids[:, None] == known
    return np.where(same.any(axis=1), same.argmax(axis=1), -1).astype(np.int32)


def _recalled(memory: Floats, rows: Rows, fresh: Floats, new: NDArray[np.bool_], any_new: bool) -> Floats:
    """Give each person's remembered values; `fresh` for those who are new."""
    if not any_new:
        return memory.take(rows, axis=0)
    if not len(memory):
        return fresh
    shape = (-1,) + (1,) * (fresh.ndim - 1)
    return np.where(new.reshape(shape), fresh, memory.take(np.maximum(rows, 0), axis=0))


@dataclass(frozen=True, slots=True)
class LowPass:
    """An exponential moving average: stored + alpha · (value − stored).

    Attributes:
        alpha: the new value's weight, 0 … 1.

    ref: mediapipe/util/filtering/low_pass_filter.cc

    """

    alpha: Parameter

    def step(self, memory: Floats | None, rows: Rows, values: Floats) -> Floats:
        """Filter (n, …) values; the result is also what is to be remembered."""
        if memory is None:
            return values
        new = rows < 0
        stored = _recalled(memory, rows, values, new, bool(new.any()))
        result: Floats = stored + self.alpha * (values - stored)
        return result


@dataclass(frozen=True, slots=True)
class Motion:
    """What the One-Euro filter remembers: the last values as they came, as they left, their speed, and when."""

    raw: Floats
    smooth: Floats
    speed: Floats
    time: float


@dataclass(frozen=True, slots=True)
class OneEuro:
    """A low-pass filter whose cut-off rises with speed: still points hold still, fast ones do not lag.

    Parameters may be arrays that broadcast against the values, so that points of different kinds go through at once.

    Attributes:
        min_cutoff: cut-off of a point at rest, Hz.
        beta: how fast the cut-off rises with speed.
        derivative_cutoff: cut-off of the speed itself, Hz.
        threshold: a step (value − stored) beyond about this size counts by its logarithm only, which tames outliers;
            None for no such limit. It is in the values' own unit.
        threshold_beta: how fast that limit rises with speed.

    ref: https://gery.casiez.net/1euro/ (Casiez, Roussel, Vogel 2012); mediapipe/util/filtering/one_euro_filter.cc;
         tfjs-models/shared/filters/low_pass_filter.ts (the limit)

    """

    min_cutoff: Parameter
    beta: Parameter
    derivative_cutoff: float = 1.0
    threshold: float | None = None
    threshold_beta: float = 0.0

    def step(
        self, memory: Motion | None, rows: Rows, values: Floats, time: float, scale: Parameter | None = None
    ) -> tuple[Floats, Motion]:
        """Filter the values of one frame.

        Args:
            memory: what the last frame gave; None at first.
            rows: (n,) where `memory` has each person, -1 for new ones.
            values: (n, …) float32.
            time: of the frame, seconds. A frame of the same time again passes unfiltered and teaches nothing; one from
                the past begins a new sequence.
            scale: the size of the object, in the values' unit, broadcast against them: speeds are measured relative to
                it. None measures them in the values' own unit. Objects smaller than `MIN_OBJECT_SCALE` pass unfiltered.

        """
        if memory is None or time < memory.time or not len(memory.raw) or not len(rows):
            return values, Motion(values, values, np.zeros_like(values), time)
        elapsed = time - memory.time
        if elapsed == 0:
            return values, memory
        frequency = 1 / elapsed
        new = rows < 0
        any_new = bool(new.any())
        raw = _recalled(memory.raw, rows, values, new, any_new)
        stored = _recalled(memory.smooth, rows, values, new, any_new)
        speed = _recalled(memory.speed, rows, np.zeros_like(values), new, any_new)

        slope = values - raw
        slope *= np.float32(frequency)
        if scale is not None:
            slope /= np.maximum(scale, np.float32(MIN_OBJECT_SCALE))
        slope -= speed
        slope *= np.float32(_alpha(self.derivative_cutoff, frequency))
        slope += speed
        fast = np.abs(slope)
        alpha = self.beta * fast
        alpha += self.min_cutoff
        # alpha = 1 / (1 + frequency / (2 pi cutoff)) = cutoff / (cutoff + frequency / 2 pi)
        alpha /= alpha + np.float32(frequency / (2 * pi))
        change = values - stored
        if self.threshold is not None:
            limit = np.float32(self.threshold_beta) * fast
            limit += np.float32(self.threshold)
            change /= limit
            np.arcsinh(change, out=change)
            change *= limit
        change *= alpha
        change += stored
        if scale is not None and np.min(scale) < MIN_OBJECT_SCALE:
            change = np.where(scale < MIN_OBJECT_SCALE, values, change)
        return change, Motion(values, change, slope, time)


def _alpha(cutoff: float, frequency: float) -> float:
    """Give the weight of a new value in a low-pass filter with a cut-off in Hz at so many values a second."""
    return 1 / (1 + frequency / (2 * pi * cutoff))


@dataclass(frozen=True, slots=True)
class Distances:
    """What the relative velocity filter remembers: the last values, and how far and how long the last steps were."""

    value: Floats
    smooth: Floats
    scale: Floats
    steps: tuple[tuple[Floats, float], ...]
    time: float


@dataclass(frozen=True, slots=True)
class RelativeVelocity:
    """A low-pass filter whose weight rises with the speed over the last few steps, relative to the object's size.

    Attributes:
        window: how many steps the speed is taken over at most; more means calmer and later.
        velocity_scale: how much a given speed opens the filter; less means calmer and later.

    ref: mediapipe/util/filtering/relative_velocity_filter.cc

    """

    window: int = 5
    velocity_scale: float = 10.0

    def step(
        self, memory: Distances | None, rows: Rows, values: Floats, time: float, scale: Parameter = 1.0
    ) -> tuple[Floats, Distances]:
        """Filter the values of one frame; arguments as in `OneEuro.step`. A new person restarts the window for all."""
        inverse = np.asarray(1 / np.maximum(scale, MIN_OBJECT_SCALE), np.float32)
        if memory is None or time < memory.time or not len(rows) or (rows < 0).any():
            return values, Distances(values, values, inverse, (), time)
        duration = time - memory.time
        if duration == 0:
            return values, memory
        last = memory.value.take(rows, axis=0)
        last_scale = memory.scale.take(rows, axis=0) if memory.scale.ndim else memory.scale
        distance = values * inverse - last * last_scale
        steps = tuple((step.take(rows, axis=0), took) for step, took in memory.steps)
        travelled, took = distance, duration
        # A window that spans more time than its steps would at 30 values a second holds what is out of date.
        longest = (1 + len(steps)) / 30
        for step, step_took in steps:
            if took + step_took > longest:
                break
            travelled, took = travelled + step, took + step_took
        alpha = 1 - 1 / (1 + np.float32(self.velocity_scale) * np.abs(travelled * np.float32(1 / took)))
        stored = memory.smooth.take(rows, axis=0)
        smooth: Floats = stored + alpha * (values - stored)
        return smooth, Distances(values, smooth, inverse, ((distance, duration), *steps)[: self.window], time)
