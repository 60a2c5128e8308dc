"""BodyPix: who is a person, which part of the body, and which of several people, for every pixel, from one pass.

ref: PersonLab, https://arxiv.org/abs/1803.08225; tfjs-models, body-pix/ (2019, version 2).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.flip import flip
from bodylens.frame import Frame
from bodylens.instances import distances
from bodylens.options import flags, number, whole
from bodylens.people import People
from bodylens.personlab import Poses, decode_multiple, sigmoid
from bodylens.pipeline import Estimation, Infer, Keep
from bodylens.posenet import (
    MIN_SCORE,
    POSE_HEADS,
    Answer,
    Inputs,
    Net,
    Picture,
    again,
    heads_of,
    look,
    to_people,
    to_poses,
)
from bodylens.region import Region
from bodylens.segmentation import Segmentation
from bodylens.topology import COCO
from bodylens.tracker import Identities, tracker_of

# The 24 parts in the order of their numbers. ref: tfjs-models, body-pix/src/part_channels.ts
PART_NAMES = (
    "left_face", "right_face", "left_upper_arm_front", "left_upper_arm_back", "right_upper_arm_front",
    "right_upper_arm_back", "left_lower_arm_front", "left_lower_arm_back", "right_lower_arm_front",
    "right_lower_arm_back", "left_hand", "right_hand", "torso_front", "torso_back", "left_upper_leg_front",
    "left_upper_leg_back", "right_upper_leg_front", "right_upper_leg_back", "left_lower_leg_front",
    "left_lower_leg_back", "right_lower_leg_front", "right_lower_leg_back", "left_feet", "right_feet",
)  # fmt: skip

RESOLUTIONS = {"low": 0.25, "medium": 0.5, "high": 0.75, "full": 1.0}

_SIZES = {16: {(481, 353): "", (321, 241): "small"}, 8: {(481, 353): "stride8"}}
INPUTS = {
    **{
        model: Inputs(model, _SIZES)
        for model in ("bodypix-050", "bodypix-mobilenet-050", "bodypix-mobilenet-075", "bodypix-mobilenet-100")
    },
    "bodypix-075-int8": Inputs("bodypix-075-int8", {16: {(720, 1280): ""}}, open=False),
    "bodypix-resnet50": Inputs(
        "bodypix-resnet50", {32: {(481, 353): "", (321, 225): "small"}, 16: {(481, 353): "stride16"}}
    ),
}


class BodyPix:
    """The whole frame, letterboxed to the network's input, gives everybody's pose, and a class for each pixel.

    The persons are `People` with the 17 COCO keypoints. Their one mask, which stays on the device, says who is a
    person; or, where maps are asked for, `segmentation` holds these in its place.

    Args:
        model: "bodypix-050" or "bodypix-075-int8"; or, once its weights were imported, "bodypix-resnet50" or
            "bodypix-mobilenet-050", "-075" or "-100".
        multi_segmentation: also tell people apart, in a map.
        segment_body_parts: also tell the 24 parts apart, in a map.
        person_map: also tell who is a person in a map; one comes with the other maps.
        flip_horizontal: mirror the result.
        internal_resolution: how large the input is against the frame: "low", "medium", "high", "full", or a number from
            0.1 to 2. Where it is not given, the network's usual input is taken.
        any_size: take the input just as large as asked for, not the most similar size in the catalogue; not
            with int8, and in the page where the site holds the model's variant "any-size".
        output_stride: 8, 16 or 32 (int8: 16; ResNet50: 16 or 32; others: 8 or 16); smaller is more exact and slower.
            Where it is not given, 16, or 32 of ResNet50.
        segmentation_threshold: from 0 to 1, the probability above which a pixel is a person.
        max_detections: people at most, from 1.
        score_threshold: from 0 to 1, the least score of the keypoint that a person is found by.
        min_score: from 0 to 1, the least score of a whole pose; None takes 0.2, or `score_threshold` where people are
            told apart.
        nms_radius: above 0, pixels of the input within which two equal keypoints are one.
        min_keypoint_score: from 0 to 1; only keypoints above it draw pixels to their person.
        refine_steps: from 1 to 20, how often a pixel's way to its person is corrected.
        enable_tracking: give people ids that last; without it they are numbered in each frame from 1, as found.
        tracker_type: "keypoint" or "bounding_box": what is compared to tell who is who.
        max_age: for how many seconds an unseen person is remembered.
        max_tracks: how many people are remembered.
        min_similarity: below it two sightings are not of the same person; None takes the tracker's usual one.

    Raises:
        ValueError: an option is out of range; the message names the range.

    """

    topology = COCO
    # A driver that draws sets this: all maps then stay where the network made them, as masks in the order "person",
    # "parts", "long_offsets", and Python sees the heads of the poses alone.
    on_device = False

    def __init__(
        self,
        model: str,
        *,
        multi_segmentation: bool = False,
        segment_body_parts: bool = False,
        person_map: bool = False,
        flip_horizontal: bool = False,
        internal_resolution: str | float | None = None,
        any_size: bool = False,
        output_stride: int | None = None,
        segmentation_threshold: float = 0.7,
        max_detections: int = 10,
        score_threshold: float = 0.4,
        min_score: float | None = None,
        nms_radius: float = 20.0,
        min_keypoint_score: float = 0.3,
        refine_steps: int = 10,
        enable_tracking: bool = True,
        tracker_type: str = "keypoint",
        max_age: float = 1.0,
        max_tracks: int = 60,
        min_similarity: float | None = None,
    ) -> None:
        self.inputs = INPUTS[model]
        self.stride = self.inputs.stride(output_stride)
        if isinstance(internal_resolution, str):
            if internal_resolution not in RESOLUTIONS:
                names = ", ".join(RESOLUTIONS)
                raise ValueError(
                    f"internal_resolution must be {names} or a number from 0.1 to 2, not {internal_resolution!r}"
                )
            internal_resolution = RESOLUTIONS[internal_resolution]
        if internal_resolution is not None:
            internal_resolution = number("internal_resolution", internal_resolution, 0.1, 2)
        flags(
            multi_segmentation=multi_segmentation,
            segment_body_parts=segment_body_parts,
            person_map=person_map,
            flip_horizontal=flip_horizontal,
            any_size=any_size,
            enable_tracking=enable_tracking,
        )
        tracker = tracker_of(tracker_type, max_age, max_tracks, min_similarity)
        self.identities = Identities(tracker if enable_tracking else None)
        self.multi = multi_segmentation
        self.parts = segment_body_parts
        self.maps = person_map or multi_segmentation or segment_body_parts
        self.flip = flip_horizontal
        self.resolution = internal_resolution
        self.any_size = any_size
        self.threshold = number("segmentation_threshold", segmentation_threshold, 0, 1)
        self.most = whole("max_detections", max_detections, 1)
        self.score_threshold = number("score_threshold", score_threshold, 0, 1)
        if min_score is None:
            # ref: tfjs-models, body-pix/src/body_pix_model.ts, segmentMultiPerson; its masks' own usual limit is 0.2
            min_score = self.score_threshold if multi_segmentation else MIN_SCORE
        self.min_score = number("min_score", min_score, 0, 1)
        self.radius = number("nms_radius", nms_radius, 0, above=True)
        self.min_keypoint_score = number("min_keypoint_score", min_keypoint_score, 0, 1)
        self.refine_steps = whole("refine_steps", refine_steps, 1, 20)

    @property
    def models(self) -> tuple[str, ...]:
        """The variant for a common camera's frame; for another frame another one may be asked for."""
        return (self.ahead(Frame(0, 0.0, 640, 480))[0].model,)

    def input(self, frame: Frame) -> tuple[str, tuple[int, int]]:
        """Choose the variant for a frame: its label, and its input's (width, height)."""
        if self.resolution is None:
            return self.inputs.usual(self.stride)
        width, height = frame.width * self.resolution, frame.height * self.resolution
        return self.inputs.choose(self.stride, width, height, self.any_size)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Every frame asks the same: look at all of it."""
        label, size = self.input(frame)
        maps = ["segments"] if self.maps else []
        if self.parts:
            maps.append("part_heatmaps")
        if self.multi:
            maps.append("long_offsets")
        if maps and not self.on_device:
            return (look(label, frame, size, (*POSE_HEADS, *maps), ()),)
        keep = [Keep("segments", activation="sigmoid", late=True, threshold=self.threshold)]
        if self.parts:
            keep.append(Keep("part_heatmaps", "parts"))
        if self.multi:
            steps = self.refine_steps
            keep.append(Keep("long_offsets", "long_offsets", threshold=self.min_keypoint_score, refine_steps=steps))
        return (look(label, frame, size, POSE_HEADS, tuple(keep)),)

    def estimate(self, frame: Frame) -> Estimation:
        """Find people, the one with the best keypoint first; the rows of their maps are theirs."""
        (request,) = requests = self.ahead(frame)
        (result,) = yield requests
        outputs = result.outputs
        size = self.input(frame)[1]
        heads = heads_of(outputs, self.stride)
        poses = decode_multiple(heads, self.most, self.score_threshold, self.radius, min_score=self.min_score)
        people = self.identities.named(to_people(frame, poses, request.region, size))
        if self.maps and not self.on_device:
            logits = outputs["segments"].reshape(outputs["segments"].shape[-2:])
            segmentation = Segmentation(
                frame,
                grid_region(request.region, size, logits.shape, self.stride),
                logits,
                self.threshold,
                outputs["part_heatmaps"][0] if self.parts else None,
                self._distances(outputs["long_offsets"][0], poses, logits) if self.multi else None,
                people.ids,
            )
            people = replace(people, segmentation=segmentation)
        else:
            shape = (result.masks[0].height, result.masks[0].width)
            grid = grid_region(request.region, size, shape, self.stride)
            people = replace(people, masks=tuple(replace(mask, region=grid) for mask in result.masks))
        return flip(people) if self.flip else people

    def _distances(
        self, long_offsets: NDArray[np.float32], poses: Poses, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        # A pixel that is a person has at least one such cell at a corner, so all its corners are this near to one.
        inside = sigmoid(logits) > self.threshold
        near = np.zeros((logits.shape[0] + 2, logits.shape[1] + 2), bool)
        for down in range(3):
            for across in range(3):
                near[down : down + logits.shape[0], across : across + logits.shape[1]] |= inside
        return distances(long_offsets, poses, self.stride, near[1:-1, 1:-1], self.min_keypoint_score, self.refine_steps)

    def reset(self) -> None:
        """Forget everyone."""
        self.identities.reset()


def grid_region(region: Region, size: tuple[int, int], shape: tuple[int, ...], stride: int) -> Region:
    """Say what a grid of cells covers.

    Its first and last cells are centred on the input's first and last pixels, so it reaches half a cell beyond.

    Args:
        region: what the input shows.
        size: (width, height) of the input.
        shape: (h, w) of the grid.
        stride: pixels of the input from cell to cell.

    """
    return region.scaled(shape[1] * stride / size[0], shape[0] * stride / size[1])


@dataclass(frozen=True, eq=False)
class PersonSegmentation:
    """Which pixels are a person.

    Attributes:
        width: pixels.
        height: pixels.
        data: (height, width) uint8, 1 where a person is, 0 elsewhere.
        poses: all poses found in the same pass (of one person: that person's), as `posenet.to_poses` writes them.

    """

    width: int
    height: int
    data: NDArray[np.uint8]
    poses: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class PartSegmentation:
    """Which part of the body each pixel is.

    Attributes:
        width: pixels.
        height: pixels.
        data: (height, width) int32, numbers into `PART_NAMES`, -1 where there is none.
        poses: all poses found in the same pass (of one person: that person's), as `posenet.to_poses` writes them.

    """

    width: int
    height: int
    data: NDArray[np.int32]
    poses: list[dict[str, Any]]


def to_person(people: People) -> PersonSegmentation:
    """Give one map of all persons; `LookupError` where they were made without any map."""
    return PersonSegmentation(*_size(people), _of(people).person().astype(np.uint8), to_poses(people))


def to_parts(people: People) -> PartSegmentation:
    """Give one map of all persons' parts; `LookupError` where they were made without `segment_body_parts`."""
    return PartSegmentation(*_size(people), _of(people).parts(), to_poses(people))


def to_persons(people: People) -> list[PersonSegmentation]:
    """Give a map for each person; `LookupError` where they were made without `multi_segmentation`."""
    owners = _of(people).instances()
    return [
        PersonSegmentation(*_size(people), (owners == row).astype(np.uint8), [pose])
        for row, pose in zip(_rows(people), to_poses(people), strict=True)
    ]


def to_persons_parts(people: People) -> list[PartSegmentation]:
    """Give a map of parts for each person; `LookupError` where they were made without both options."""
    owners, parts = _of(people).instances(), _of(people).parts()
    return [
        PartSegmentation(*_size(people), np.where(owners == row, parts, np.int32(-1)), [pose])
        for row, pose in zip(_rows(people), to_poses(people), strict=True)
    ]


def _rows(people: People) -> list[int]:
    """Say which numbers people have in a map of people: those of the frame's rows, also where some were chosen."""
    rows: list[int] = _of(people).ids.tolist()
    return [rows.index(who) for who in people.ids.tolist()]


def _size(people: People) -> tuple[int, int]:
    return people.frame.width, people.frame.height


def _of(people: People) -> Segmentation:
    if people.segmentation is None:
        raise LookupError("these people have no maps; BodyPix makes them where it is asked to, as by person_map=True")
    return people.segmentation


def segment_person(net: Net, image: Picture, **options: Any) -> Answer:  # noqa: ANN401
    """Say which pixels are a person.

    Args:
        net: what `create_segmenter("bodypix-…")` gave.
        image: (h, w, 3) uint8 RGB.
        options: as of `BodyPix`, for this picture alone; `internal_resolution` is "medium" where it is not given.

    Returns:
        A `PersonSegmentation`; in the page an awaitable of it.

    Raises:
        ValueError: an option is out of range; the message names the range.

    """
    return _segment(net, image, to_person, options, person_map=True)


def segment_person_parts(net: Net, image: Picture, **options: Any) -> Answer:  # noqa: ANN401
    """Say which part of the body each pixel is; as `segment_person`, but a `PartSegmentation`."""
    return _segment(net, image, to_parts, options, segment_body_parts=True)


def segment_multi_person(net: Net, image: Picture, **options: Any) -> Answer:  # noqa: ANN401
    """Say which pixels belong to which person; as `segment_person`, but a `PersonSegmentation` for each of them."""
    return _segment(net, image, to_persons, options, multi_segmentation=True)


def segment_multi_person_parts(net: Net, image: Picture, **options: Any) -> Answer:  # noqa: ANN401
    """Say which part of which person each pixel is; as `segment_person`, but a `PartSegmentation` for each person."""
    return _segment(net, image, to_persons_parts, options, multi_segmentation=True, segment_body_parts=True)


def _segment(
    net: Net, image: Picture, then: Callable[[People], Any], options: Mapping[str, Any], **maps: bool
) -> Answer:
    # As in the original, poses of any score come with a map of all persons.
    usual = {"internal_resolution": "medium", "min_score": None if maps.get("multi_segmentation") else 0}
    return again(net, image, then=then, **{**usual, **options, **maps})


def estimate_person_segmentation(
    net: Net, image: Picture, output_stride: int = 16, segmentation_threshold: float = 0.5
) -> Answer:
    """Do as `segment_person`, by the name, defaults and result of 2019.

    Returns:
        `{"width", "height", "data"}`, where data is (width * height,) uint8, 0 or 1; in the page an awaitable of it.

    """
    options = {"output_stride": output_stride, "segmentation_threshold": segmentation_threshold}
    return _segment(net, image, lambda people: _flat(to_person(people)), options, person_map=True)


def estimate_part_segmentation(
    net: Net, image: Picture, output_stride: int = 16, segmentation_threshold: float = 0.5
) -> Answer:
    """Do as `segment_person_parts`, by the name, defaults and result of 2019.

    The numbers are those of `PART_NAMES`; the networks of 2019 counted the same parts in another order.

    Returns:
        `{"width", "height", "data"}`, where data is (width * height,) int32, -1 … 23; in the page an awaitable of it.

    """
    options = {"output_stride": output_stride, "segmentation_threshold": segmentation_threshold}
    return _segment(net, image, lambda people: _flat(to_parts(people)), options, segment_body_parts=True)


def _flat(segmentation: PersonSegmentation | PartSegmentation) -> dict[str, Any]:
    return {"width": segmentation.width, "height": segmentation.height, "data": segmentation.data.reshape(-1)}
