"""MoveNet for one person: look around where the person was, smooth, decide where to look next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bodylens.filters import LowPass, Motion, OneEuro
from bodylens.flip import flip
from bodylens.frame import Frame
from bodylens.movenet import crop
from bodylens.movenet.decoding import decode
from bodylens.movenet.pixels import to_pixels
from bodylens.options import flags, number
from bodylens.people import People
from bodylens.pipeline import Estimation, Infer
from bodylens.region import Region
from bodylens.topology import COCO
from bodylens.tracker import remembers

Floats = NDArray[np.float32]

# Smoothing of keypoints in units of the frame's sides, and of the region.
# ref: tfjs-models/pose-detection/src/movenet/constants.ts
KEYPOINT_FILTER = OneEuro(2.5, 300.0, 2.5, threshold=0.5, threshold_beta=5.0)
REGION_FILTER = LowPass(0.9)
# Someone found again after so many seconds may be someone else, and gets another id. ref: the same, maxAge
MAX_AGE = 1.0
# The side of the square input, pixels.
THUNDER_SIDE = 256
LIGHTNING_SIDE = 192
ONE = np.zeros(1, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the frames so far taught.

    Attributes:
        size: (width, height) of the frames; another size begins anew.
        person: the id of whoever was seen last, 0 for nobody yet.
        time: when that was, seconds.
        missed: how many frames have come since then.
        region: (1, 4) float32, smoothed x, y, width, height of where to look; None where nobody is followed.
        motion: the One-Euro filters' memory.

    """

    size: tuple[int, int]
    person: int = 0
    time: float = 0.0
    missed: int = 0
    region: Floats | None = None
    motion: Motion | None = None


class MoveNet:
    """One person, the one in the middle if there are several: 17 keypoints.

    Keypoint scores are the network's confidence in each. The person's score is the mean of those above 0.2.

    Args:
        model: "movenet-lightning" (fast) or "movenet-thunder" (more exact).
        enable_smoothing: calm keypoints over time.
        min_score: below which score of the person nobody is reported, 0 … 1; the next frame then begins anew.
        heads: decode the network's heads here, with a network that was cut before its own decoding; False runs the
            whole network. The results are the same, but some GPU providers cannot run the network's own decoding.
        flip_horizontal: mirror the results: x becomes width − 1 − x, names stay.

    Raises:
        ValueError: an option is out of range.

    """

    topology = COCO

    def __init__(
        self,
        model: str = "movenet-lightning",
        *,
        enable_smoothing: bool = True,
        min_score: float = 0.25,
        heads: bool = True,
        flip_horizontal: bool = False,
    ) -> None:
        flags(enable_smoothing=enable_smoothing, heads=heads, flip_horizontal=flip_horizontal)
        self.model = f"{model}+heads" if heads else model
        self.output = "heads" if heads else "poses"
        self.side = THUNDER_SIDE if "thunder" in model else LIGHTNING_SIDE
        self.smooth = enable_smoothing
        self.min_score = number("min_score", min_score, 0, 1)
        self.flip = flip_horizontal
        self.memory: Memory | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The one model."""
        return (self.model,)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Look around where the person was, or in the middle of the frame."""
        region = self._recall(frame).region
        where = crop.first_region(frame.width, frame.height) if region is None else Region(*region[0].tolist())
        return (Infer(self.model, where, (self.output,)),)

    def reset(self) -> None:
        """Forget the person."""
        self.memory = None

    def estimate(self, frame: Frame) -> Estimation:
        """Give one person, or nobody."""
        memory = self._recall(frame)
        asked = self.ahead(frame)
        (answer,) = yield asked
        values = answer.outputs[self.output]
        pose = decode(values) if self.output == "heads" else values.reshape(-1, 3)
        scores = pose[:, 2].copy()
        sure = scores > crop.MIN_SCORE
        score = float(scores[sure].mean()) if sure.any() else 0.0
        if score < self.min_score:
            self.memory = Memory(memory.size, memory.person, memory.time, memory.missed + 1)
            return People.none(frame, COCO.names)

        size = np.array([frame.width, frame.height], np.float32)
        keypoints = to_pixels(pose[None, :, :2], asked[0].region, self.side, self.side)
        motion = memory.motion
        if self.smooth:
            # The filter's limits are relative to the frame, whatever its shape.
            relative, motion = KEYPOINT_FILTER.step(memory.motion, ONE, keypoints / size, frame.time)
            keypoints = relative * size
        following = crop.next_region(keypoints[0], scores, frame.width, frame.height)
        corners = np.array([[following.x, following.y, following.width, following.height]], np.float32)
        unseen = frame.time - memory.time
        again = memory.person and unseen >= 0 and remembers(unseen, memory.missed, MAX_AGE)
        person = memory.person if again else memory.person + 1
        region = REGION_FILTER.step(memory.region, ONE, corners)
        self.memory = Memory(memory.size, person, frame.time, region=region, motion=motion)

        seen = keypoints[0, sure]
        low, high = seen.min(axis=0), seen.max(axis=0)
        people = People(
            frame,
            ids=np.array([person], np.int32),
            scores=np.array([score], np.float32),
            boxes=np.concatenate([low, high - low])[None],
            keypoints=keypoints,
            keypoint_scores=scores[None],
            names=COCO.names,
        )
        return flip(people) if self.flip else people

    def _recall(self, frame: Frame) -> Memory:
        size = (frame.width, frame.height)
        if self.memory is None or self.memory.size != size:
            return Memory(size, self.memory.person if self.memory else 0)
        return self.memory
