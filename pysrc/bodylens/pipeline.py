"""Pipelines ask, drivers answer: how a system says what it wants to see, without any I/O of its own.

A pipeline's `estimate` is a generator for one frame. It yields the inferences that it needs, several at once where
they do not depend on each other, receives their results, and returns `People`. A driver runs it: `bodylens.native` with
onnxruntime, `bodylens.browser` with onnxruntime-web. What a frame teaches (tracks, filters) is committed at the
generator's end, so that a frame that fails costs that frame alone.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bodylens.frame import Frame
from bodylens.mask import Mask
from bodylens.people import People
from bodylens.region import Region
from bodylens.topology import Topology


@dataclass(frozen=True, slots=True)
class Keep:
    """An output that stays on the device as a mask, or as a map from which the compositor makes one.

    Attributes:
        output: its name.
        meaning: "person" where a value of 1 says so; "parts" of a logit for each of the 24 parts, and "long_offsets" of
            ways from each cell to its person's keypoints, which only the page's compositor can take.
        activation: "none" for probabilities, "sigmoid" for logits.
        late: resize first and activate then, which keeps outlines sharp; a driver may do both at once.
        threshold: the probability from which a cell counts in the mask's box and score.
        smoothing: how far an unsure cell follows the previous mask of the same stream, 0 (off) … 1.
        stream: which sequence of masks this one continues; one a person where there are several.
        refine_steps: of long offsets, how often a cell's way to its person is followed on.

    """

    output: str
    meaning: str = "person"
    activation: str = "none"
    threshold: float = 0.5
    smoothing: float = 0.0
    stream: int = 0
    late: bool = False
    refine_steps: int = 0


@dataclass(frozen=True, slots=True)
class Infer:
    """Crop `region` of the frame to the model's input, run the model.

    Attributes:
        model: its name in the catalogue.
        region: where to look; what lies outside the frame is black, or repeats its rim, as the model was trained.
        fetch: outputs to give back as arrays.
        keep: outputs to leave on the device as masks.
        size: (width, height) of the input, for a model that takes any; None for one that has its own.

    """

    model: str
    region: Region
    fetch: tuple[str, ...] = ()
    keep: tuple[Keep, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Inferred:
    """What an `Infer` gave: float32 arrays by output name, masks in the order of `keep`."""

    outputs: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    masks: tuple[Mask, ...] = ()


Estimation = Generator[Sequence[Infer], Sequence[Inferred], People]


class Pipeline(Protocol):
    """A system: decisions only, no I/O."""

    @property
    def topology(self) -> Topology | None:
        """The keypoints that it finds; None where it finds none."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it may ask for, the first one first."""

    def estimate(self, frame: Frame) -> Estimation:
        """Find people in one frame."""

    def ahead(self, frame: Frame) -> Sequence[Infer] | None:
        """Say with which inferences the frame after `frame` will begin if it has the same size, where that is known.

        A driver may run them before it asks, which saves a journey between workers.
        """

    def reset(self) -> None:
        """Forget all that earlier frames taught."""


@runtime_checkable
class HasMaps(Protocol):
    """A pipeline with maps that can stay on the device, where the compositor reads them."""

    on_device: bool


def finish(estimation: Estimation, answer: Any) -> People:  # noqa: ANN401
    """Run a generator to its end with `answer(requests) -> results`; the whole of a synchronous driver."""
    try:
        requests = next(estimation)
        while True:
            requests = estimation.send(answer(requests))
    except StopIteration as stop:
        people: People = stop.value
        return people
