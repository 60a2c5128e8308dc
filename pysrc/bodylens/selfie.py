"""Selfie Segmentation: one mask for all people in front of a camera.

ref: https://arxiv.org/abs/2006.11718 (the family), MediaPipe's selfie_segmentation graph and model card.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bodylens.frame import Frame
from bodylens.options import flags, number
from bodylens.people import People
from bodylens.pipeline import Estimation, Infer, Keep
from bodylens.region import Region
from bodylens.topology import Topology

# How far an unsure cell follows the previous mask. ref: mediapipe's selfie and pose graphs, combine_with_previous_ratio
SMOOTHING_RATIO = 0.7


class SelfieSegmentation:
    """The whole frame, stretched to the network's input, gives one mask.

    Args:
        model: "selfie-general" (256 × 256) or "selfie-landscape" (256 wide, 144 high; faster).
        smoothing: blend each mask with the one before it, which calms flicker on video.
        threshold: the probability from which a pixel counts as person, above 0 and at most 1.

    """

    topology: Topology | None = None

    def __init__(self, model: str, *, smoothing: bool = False, threshold: float = 0.5) -> None:
        flags(smoothing=smoothing)
        threshold = number("threshold", threshold, 0, 1, above=True)
        self.model = model
        self.keep = Keep("mask", threshold=threshold, smoothing=SMOOTHING_RATIO if smoothing else 0.0)

    @property
    def models(self) -> tuple[str, ...]:
        """The one model."""
        return (self.model,)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Every frame asks the same: look at all of it."""
        return (Infer(self.model, Region.whole(frame.width, frame.height), keep=(self.keep,)),)

    def estimate(self, frame: Frame) -> Estimation:
        """Give one entry, without keypoints, when any pixel passes the threshold: the mask's box and mean score."""
        ((result),) = yield self.ahead(frame)
        (mask,) = result.masks
        if not mask.count:
            return replace(People.none(frame), masks=(mask,))
        return People(
            frame,
            ids=np.zeros(1, np.int32),
            scores=np.array([mask.score], np.float32),
            boxes=np.array([mask.box(frame.width, frame.height)], np.float32),
            keypoints=np.empty((1, 0, 2), np.float32),
            keypoint_scores=np.empty((1, 0), np.float32),
            masks=(mask,),
        )

    def reset(self) -> None:
        """Begin a new sequence of masks."""
        self.keep = replace(self.keep, stream=self.keep.stream + 1)
