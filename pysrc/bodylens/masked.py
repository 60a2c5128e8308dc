"""A system that finds poses, with the person mask of another beside it.

Both look at the same frame in the same round, so that it costs no journey more.
"""

from collections.abc import Sequence
from dataclasses import replace

from bodylens.frame import Frame
from bodylens.people import People
from bodylens.pipeline import Estimation, Infer, Inferred, Pipeline
from bodylens.topology import Topology


class Masked:
    """The people of `poses`, with the masks of `masks` in place of their own.

    Args:
        poses: whose people are given; it may ask several times.
        masks: which asks once a frame.

    """

    def __init__(self, poses: Pipeline, masks: Pipeline) -> None:
        self.poses = poses
        self.masks = masks

    @property
    def topology(self) -> Topology | None:
        """The keypoints of the poses."""
        return self.poses.topology

    @property
    def models(self) -> tuple[str, ...]:
        """The models of both."""
        return (*self.poses.models, *self.masks.models)

    def ahead(self, frame: Frame) -> Sequence[Infer] | None:
        """Announce what both begin with, where both know."""
        poses, masks = self.poses.ahead(frame), self.masks.ahead(frame)
        return None if poses is None or masks is None else (*poses, *masks)

    def estimate(self, frame: Frame) -> Estimation:
        """Find poses and masks in one frame."""
        poses, masks = self.poses.estimate(frame), self.masks.estimate(frame)
        first, beside = next(poses), next(masks)
        results = yield (*first, *beside)
        seen = _ended(masks, results[len(first) :])
        people = yield from _resumed(poses, results[: len(first)])
        return replace(people, masks=seen.masks)

    def reset(self) -> None:
        """Forget all that earlier frames taught."""
        self.poses.reset()
        self.masks.reset()


def _resumed(estimation: Estimation, results: Sequence[Inferred]) -> Estimation:
    """Go on with a generator that waits for results."""
    try:
        while True:
            results = yield estimation.send(results)
    except StopIteration as stop:
        people: People = stop.value
        return people


def _ended(estimation: Estimation, results: Sequence[Inferred]) -> People:
    try:
        estimation.send(results)
    except StopIteration as stop:
        people: People = stop.value
        return people
    raise TypeError("a system that gives masks beside another must ask once a frame")
