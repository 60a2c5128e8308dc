"""MoveNet for several people: the whole frame at once, then a tracker gives each an id."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bodylens.filters import Motion, rows_of
from bodylens.flip import flip
from bodylens.frame import Frame
from bodylens.movenet.decoding import decode_several
from bodylens.movenet.pixels import to_pixels
from bodylens.movenet.single import KEYPOINT_FILTER
from bodylens.options import flags, number, whole
from bodylens.people import People
from bodylens.pipeline import Estimation, Infer
from bodylens.region import Region
from bodylens.topology import COCO
from bodylens.tracker import MIN_KEYPOINT_SCORE, MIN_KEYPOINTS, Sightings, Tracks, oks_of, tracker_of

Floats = NDArray[np.float32]

KEYPOINTS = len(COCO)
MOST = 6
# The sides of the network's usual input, pixels; the variant for wide pictures is lower.
SIDE, WIDE_HEIGHT = 256, 192
WIDE = SIDE / WIDE_HEIGHT
# Sides of any other input are multiples of this, and no longer than that.
STEP, LONGEST = 32, 2048


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the frames so far taught: who was seen lately, and the keypoint filters of those seen last."""

    size: tuple[int, int]
    tracks: Tracks
    ids: NDArray[np.int32]
    motion: Motion | None = None


class MoveNetMultiPose:
    """Up to six people: 17 keypoints and a box each.

    Keypoint scores are the network's confidence in each keypoint, a person's score that in the person.

    Args:
        model: "movenet-multipose".
        enable_smoothing: calm keypoints over time; needs tracking.
        enable_tracking: give people ids that last; without it they are numbered in each frame from 1, the surest first.
        tracker_type: "bounding_box" or "keypoint": what is compared to tell who is who.
        max_age: for how many seconds an unseen person is remembered.
        max_tracks: how many people are remembered.
        min_similarity: below it two sightings are not of the same person; None takes the tracker's usual one.
        keypoint_confidence_threshold: from which score a keypoint is compared, 0 … 1; this and the next two are of the
            tracker that compares keypoints.
        keypoint_falloff: 17 numbers above 0, how far each keypoint scatters for a person's size; None takes COCO's.
        min_number_of_keypoints: with fewer common keypoints two sightings are not of the same person, 1 … 17.
        multi_pose_max_dimension: the longer side of the network's input, pixels, a multiple of 32 up to 2048; larger
            finds smaller people and is slower. The shorter side follows the frame's shape. Other than 256 needs the
            model's variant "any-size", which is decoded here.
        min_score: below which score a person is not reported, 0 … 1.
        max_poses: how many people to give at most, 1 … 6; the surest are given.
        heads: decode the network's heads here, with a network that was cut before its own decoding, which some GPU
            providers cannot run. The results are the same, but wide pictures take a quarter longer.
        flip_horizontal: mirror the results: x becomes width − 1 − x, names stay.

    Raises:
        ValueError: an option is out of range.

    """

    topology = COCO

    def __init__(
        self,
        model: str = "movenet-multipose",
        *,
        enable_smoothing: bool = True,
        enable_tracking: bool = True,
        tracker_type: str = "bounding_box",
        max_age: float = 1.0,
        max_tracks: int = 3 * MOST,
        min_similarity: float | None = None,
        keypoint_confidence_threshold: float = MIN_KEYPOINT_SCORE,
        keypoint_falloff: Sequence[float] | None = None,
        min_number_of_keypoints: int = MIN_KEYPOINTS,
        multi_pose_max_dimension: int = SIDE,
        min_score: float = 0.25,
        max_poses: int = MOST,
        heads: bool = False,
        flip_horizontal: bool = False,
    ) -> None:
        flags(
            enable_smoothing=enable_smoothing,
            enable_tracking=enable_tracking,
            heads=heads,
            flip_horizontal=flip_horizontal,
        )
        if multi_pose_max_dimension not in range(STEP, LONGEST + 1, STEP):
            raise ValueError(
                f"multi_pose_max_dimension must be a multiple of {STEP} from {STEP} to {LONGEST}, "
                f"not {multi_pose_max_dimension!r}"
            )
        self.longest = int(multi_pose_max_dimension)
        self.any_size = multi_pose_max_dimension != SIDE
        heads = heads or self.any_size
        self.square = f"{model}+any-size" if self.any_size else f"{model}+heads" if heads else model
        self.wide = None if heads else f"{model}+wide"
        self.output = "heads" if heads else "poses"
        self.smooth = enable_smoothing and enable_tracking
        self.tracking = enable_tracking
        alike = oks_of(keypoint_falloff, keypoint_confidence_threshold, min_number_of_keypoints)
        self.tracker = tracker_of(tracker_type, max_age, max_tracks, min_similarity, alike)
        self.min_score = number("min_score", min_score, 0, 1)
        self.max_poses = whole("max_poses", max_poses, 1, MOST)
        self.flip = flip_horizontal
        self.memory: Memory | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The networks for all pictures and for wide ones; only that which fits the frames is asked for."""
        return (self.square,) if self.wide is None else (self.square, self.wide)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Look at the whole frame, not stretched, with the network whose input wastes less on the margin."""
        whole = Region.whole(frame.width, frame.height)
        if self.any_size:
            width, height = self._input(frame)
            return (Infer(self.square, whole.letterboxed(width / height), (self.output,), size=(width, height)),)
        if self.wide is not None and frame.width >= WIDE * frame.height * 0.999:
            return (Infer(self.wide, whole.letterboxed(WIDE), (self.output,)),)
        return (Infer(self.square, whole.letterboxed(1.0), (self.output,)),)

    def reset(self) -> None:
        """Forget everyone."""
        self.memory = None

    def estimate(self, frame: Frame) -> Estimation:
        """Give everyone whose score suffices, the surest first."""
        memory = self._recall(frame)
        asked = self.ahead(frame)
        (answer,) = yield asked
        values = answer.outputs[self.output]
        poses = decode_several(values) if self.output == "heads" else values.reshape(-1, 3 * KEYPOINTS + 5)
        poses = poses[poses[:, -1] >= self.min_score]
        poses = poses[np.argsort(-poses[:, -1], kind="stable")[: self.max_poses]]
        region = asked[0].region
        found = poses[:, : 3 * KEYPOINTS].reshape(-1, KEYPOINTS, 3)
        side = asked[0].size or ((SIDE, WIDE_HEIGHT) if asked[0].model == self.wide else (SIDE, SIDE))
        keypoints = to_pixels(found[..., :2], region, *side)
        scores = found[..., 2].copy()
        corners = to_pixels(poses[:, -5:-1].reshape(-1, 2, 2), region, *side)
        boxes = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)

        size = np.array([frame.width, frame.height], np.float32)
        ids = np.arange(1, len(poses) + 1, dtype=np.int32)
        if self.tracking:
            relative = keypoints / size
            seen = Sightings(boxes / np.concatenate([size, size]), relative, scores)
            ids, tracks = self.tracker.step(memory.tracks, seen, frame.time)
            motion = memory.motion
            if self.smooth:
                relative, motion = KEYPOINT_FILTER.step(motion, rows_of(memory.ids, ids), relative, frame.time)
                keypoints = relative * size
            self.memory = Memory(memory.size, tracks, ids, motion)
        people = People(
            frame,
            ids=ids,
            scores=poses[:, -1].copy(),
            boxes=boxes,
            keypoints=keypoints,
            keypoint_scores=scores,
            names=COCO.names,
        )
        return flip(people) if self.flip else people

    def _input(self, frame: Frame) -> tuple[int, int]:
        """Give the width and height of an input that follows the frame's shape.

        ref: tfjs-models/pose-detection/src/movenet/detector.ts, estimateMultiplePoses
        """
        short, long = sorted((frame.width, frame.height))
        shorter = max(-(-round(self.longest * short / long) // STEP), 1) * STEP
        return (self.longest, shorter) if frame.width > frame.height else (shorter, self.longest)

    def _recall(self, frame: Frame) -> Memory:
        size = (frame.width, frame.height)
        if self.memory is None or self.memory.size != size:
            return Memory(size, Tracks.none(KEYPOINTS), np.empty(0, np.int32))
        return self.memory
