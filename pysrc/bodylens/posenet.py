"""PoseNet: poses of one person or of many, from one pass over the frame.

ref: PersonLab, https://arxiv.org/abs/1803.08225; tfjs-models, posenet/ (2018).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import isawaitable
from math import log
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bodylens.flip import flip
from bodylens.frame import Frame
from bodylens.options import choice, flags, number, whole
from bodylens.people import People
from bodylens.personlab import REFINEMENTS, Heads, Poses, decode_multiple, decode_single
from bodylens.pipeline import Estimation, Infer, Keep
from bodylens.region import Region
from bodylens.topology import COCO
from bodylens.tracker import Identities, tracker_of

T = TypeVar("T")

# A detector or segmenter of either driver; a picture as it takes it; a result, in the page an awaitable of it.
Net = Any
Picture = Any
Answer = Any

POSE_HEADS = ("heatmaps", "offsets", "displacement_fwd", "displacement_bwd")

# Keypoints below it do not count for a person's box.
BOX_SCORE = 0.3

# The least score of a whole pose among several, and of the one pose of single-person decoding.
# ref: tfjs-models, posenet/demo/coco.js and camera.js, minPoseConfidence
MIN_SCORE = 0.2
MIN_SCORE_OF_ONE = 0.1


def valid_resolution(pixels: float, stride: int) -> int:
    """Give the input size that the network can take: a multiple of the stride, plus one.

    ref: tfjs-models, posenet/src/util.ts, toValidInputResolution
    """
    return int(pixels) if (pixels - 1) % stride == 0 else max(int(pixels // stride), 1) * stride + 1


class Inputs:
    """The input sizes and strides that one model comes in.

    Attributes:
        model: its name in the catalogue.
        sizes: by stride, the catalogue's variant for each (width, height) of the input; the first stride and the first
            size are the usual ones.
        open: whether there is a variant that takes any size.

    """

    def __init__(self, model: str, sizes: Mapping[int, Mapping[tuple[int, int], str]], open: bool = True) -> None:  # noqa: A002
        self.model = model
        self.sizes = sizes
        self.open = open

    def stride(self, stride: int | None) -> int:
        """Give the stride that is asked for, or the usual one.

        Raises:
            ValueError: there is no such stride; the message names those that there are.

        """
        if stride is None:
            return next(iter(self.sizes))
        if isinstance(stride, bool) or stride not in tuple(self.sizes):
            strides = " or ".join(map(str, sorted(self.sizes)))
            raise ValueError(f"output_stride must be {strides} for {self.model}, not {stride!r}")
        return int(stride)

    def choose(self, stride: int, width: float, height: float, any_size: bool) -> tuple[str, tuple[int, int]]:
        """Choose the variant for an input of about `width` × `height`: its label, and its (width, height).

        With `any_size` the input is just as large as asked for, rounded down to what the network can take; otherwise
        the size is that of the variant that differs least in proportion.
        """
        if any_size and self.open:
            variant = self.sizes[stride][next(iter(self.sizes[stride]))]
            parts = [self.model, variant, "any-size"]
            return "+".join(filter(None, parts)), (valid_resolution(width, stride), valid_resolution(height, stride))
        sizes = self.sizes[stride]
        size = min(sizes, key=lambda size: abs(log(size[0] / width)) + abs(log(size[1] / height)))
        return self._label(sizes[size]), size

    def usual(self, stride: int) -> tuple[str, tuple[int, int]]:
        """Give the label and (width, height) of the usual input."""
        size, variant = next(iter(self.sizes[stride].items()))
        return self._label(variant), size

    def _label(self, variant: str) -> str:
        return f"{self.model}+{variant}" if variant else self.model


_SIZES = {
    16: {(385, 385): "", (257, 257): "small", (513, 289): "wide", (513, 513): "large"},
    8: {(385, 385): "stride8"},
    32: {(385, 385): "stride32"},
}
INPUTS = {
    "posenet-050": Inputs("posenet-050", _SIZES),
    "posenet-075": Inputs("posenet-075", _SIZES),
    "posenet-100": Inputs("posenet-100", _SIZES),
    "posenet-resnet50": Inputs(
        "posenet-resnet50",
        {32: {(257, 257): "", (513, 289): "wide", (513, 513): "large"}, 16: {(257, 257): "stride16"}},
    ),
    "posenet-075-int8": Inputs(
        "posenet-075-int8", {16: {(481, 353): "", (641, 481): "481x641", (1280, 720): "720x1280"}}, open=False
    ),
}


class PoseNet:
    """The whole frame, letterboxed to the network's input, gives the poses of all people in it.

    Args:
        model: "posenet-050", "posenet-075" or "posenet-075-int8"; or, once its weights were imported, "posenet-100" or
            "posenet-resnet50".
        decoding: "multi-person", or "single-person", which is right where there is only one.
        output_stride: 8, 16 or 32 (int8: 16; ResNet50: 16 or 32); smaller is more exact and slower. Where it is not
            given, 16, or 32 of ResNet50.
        image_scale_factor: from 0.2 to 1, how large the input is against the frame; smaller is faster.
        input_resolution: the input's size in pixels, one number or (width, height), from 33 to 2049, instead of the
            scale factor. Where neither is given, the network's usual input is taken.
        any_size: take the input just as large as asked for, not the most similar size in the catalogue; not
            with int8, and in the page where the site holds the model's variant "any-size".
        flip_horizontal: mirror the result.
        max_detections: people at most, from 1.
        score_threshold: from 0 to 1, the least score of the keypoint that a person is found by.
        min_score: from 0 to 1, the least score of a whole pose; None takes 0.2, or 0.1 for one person.
        nms_radius: above 0, pixels of the input within which two equal keypoints are one.
        refine_steps: from 0 to 10, how often a keypoint is pulled to where the offsets around it point.
        enable_tracking: give people ids that last; without it they are numbered in each frame from 1, as found.
        tracker_type: "keypoint" or "bounding_box": what is compared to tell who is who.
        max_age: for how many seconds an unseen person is remembered.
        max_tracks: how many people are remembered.
        min_similarity: below it two sightings are not of the same person; None takes the tracker's usual one.

    Raises:
        ValueError: an option is out of range; the message names the range.

    """

    topology = COCO

    def __init__(
        self,
        model: str,
        *,
        decoding: Literal["multi-person", "single-person"] = "multi-person",
        output_stride: int | None = None,
        image_scale_factor: float | None = None,
        input_resolution: int | tuple[int, int] | None = None,
        any_size: bool = False,
        flip_horizontal: bool = False,
        max_detections: int = 5,
        score_threshold: float = 0.5,
        min_score: float | None = None,
        nms_radius: float = 20.0,
        refine_steps: int = REFINEMENTS,
        enable_tracking: bool = True,
        tracker_type: str = "keypoint",
        max_age: float = 1.0,
        max_tracks: int = 60,
        min_similarity: float | None = None,
    ) -> None:
        self.inputs = INPUTS[model]
        self.stride = self.inputs.stride(output_stride)
        flags(any_size=any_size, flip_horizontal=flip_horizontal, enable_tracking=enable_tracking)
        tracker = tracker_of(tracker_type, max_age, max_tracks, min_similarity)
        self.single = choice("decoding", decoding, ("multi-person", "single-person")) == "single-person"
        # The one person of single-person decoding is always number 1.
        self.identities = Identities(tracker if enable_tracking and not self.single else None)
        self.scale = None if image_scale_factor is None else number("image_scale_factor", image_scale_factor, 0.2, 1)
        self.resolution = None if input_resolution is None else _sides(input_resolution)
        self.any_size = any_size
        self.flip = flip_horizontal
        self.most = whole("max_detections", max_detections, 1)
        self.threshold = number("score_threshold", score_threshold, 0, 1)
        if min_score is None:
            min_score = MIN_SCORE_OF_ONE if self.single else MIN_SCORE
        self.min_score = number("min_score", min_score, 0, 1)
        self.radius = number("nms_radius", nms_radius, 0, above=True)
        self.refine_steps = whole("refine_steps", refine_steps, 0, 10)

    @property
    def models(self) -> tuple[str, ...]:
        """The variant for a common camera's frame; for another frame another one may be asked for."""
        return (self.ahead(Frame(0, 0.0, 640, 480))[0].model,)

    def input(self, frame: Frame) -> tuple[str, tuple[int, int]]:
        """Choose the variant for a frame: its label, and its input's (width, height)."""
        if self.resolution:
            return self.inputs.choose(self.stride, *self.resolution, self.any_size)
        if self.scale:
            return self.inputs.choose(self.stride, frame.width * self.scale, frame.height * self.scale, self.any_size)
        return self.inputs.usual(self.stride)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Every frame asks the same: look at all of it."""
        label, size = self.input(frame)
        fetch = ("heatmaps", "offsets") if self.single else POSE_HEADS
        return (look(label, frame, size, fetch),)

    def estimate(self, frame: Frame) -> Estimation:
        """Find people, the one with the best keypoint first."""
        (request,) = requests = self.ahead(frame)
        (result,) = yield requests
        heads = heads_of(result.outputs, self.stride)
        if self.single:
            poses = decode_single(heads, self.min_score)
        else:
            poses = decode_multiple(heads, self.most, self.threshold, self.radius, self.refine_steps, self.min_score)
        people = self.identities.named(to_people(frame, poses, request.region, self.input(frame)[1]))
        return flip(people) if self.flip else people

    def reset(self) -> None:
        """Forget everyone."""
        self.identities.reset()


def _sides(resolution: Any) -> tuple[int, int]:  # noqa: ANN401
    """Take one number or two to the (width, height) of an input."""
    several = isinstance(resolution, Iterable) and not isinstance(resolution, str)
    sides = list(resolution) if several else [resolution]
    if len(sides) not in (1, 2):
        raise ValueError(f"input_resolution must be one number or (width, height), not {resolution!r}")
    width, height = (whole("input_resolution", side, 33, 2049) for side in (sides[0], sides[-1]))
    return width, height


def look(label: str, frame: Frame, size: tuple[int, int], fetch: tuple[str, ...], keep: tuple[Keep, ...] = ()) -> Infer:
    """Ask for all of a frame, letterboxed to an input of (width, height)."""
    region = Region.whole(frame.width, frame.height).letterboxed(size[0] / size[1])
    return Infer(label, region, fetch, keep, size if label.endswith("any-size") else None)


def heads_of(outputs: Mapping[str, NDArray[np.float32]], stride: int) -> Heads:
    """Take the four heads of poses from a network's outputs, each (1, channels, h, w)."""
    forward, backward = outputs.get("displacement_fwd"), outputs.get("displacement_bwd")
    return Heads(
        outputs["heatmaps"][0],
        outputs["offsets"][0],
        None if forward is None else forward[0],
        None if backward is None else backward[0],
        stride,
    )


def to_people(frame: Frame, poses: Poses, region: Region, size: tuple[int, int]) -> People:
    """Take poses from pixels of the input to pixels of the frame; ids are numbers from 1.

    Args:
        frame: in which they are.
        poses: n people.
        region: which part of the frame the input shows.
        size: (width, height) of the input.

    """
    # In a pose 0 is the middle of the first pixel, in a frame its edge.
    unit: NDArray[np.float32] = (poses.keypoints + np.float32(0.5)) * np.reciprocal(np.array(size, np.float32))
    keypoints = region.to_frame(unit)
    sure = poses.keypoint_scores >= BOX_SCORE
    sure |= ~sure.any(axis=1, keepdims=True)
    low = np.where(sure[..., None], keypoints, np.float32(np.inf)).min(axis=1, initial=np.inf)
    high = np.where(sure[..., None], keypoints, np.float32(-np.inf)).max(axis=1, initial=-np.inf)
    return People(
        frame,
        ids=np.arange(1, len(poses) + 1, dtype=np.int32),
        scores=poses.scores,
        boxes=np.concatenate([low, high - low], axis=1),
        keypoints=keypoints,
        keypoint_scores=poses.keypoint_scores,
        names=COCO.names,
    )


PARTS = tuple(name.split("_")[0] + "".join(word.title() for word in name.split("_")[1:]) for name in COCO.names)


def to_poses(people: People) -> list[dict[str, Any]]:
    """Write people as the original did.

    Returns:
        `[{"score", "keypoints": [{"score", "part": "leftEye" …, "position": {"x", "y"}}]}]`.

    ref: tfjs-models, posenet/src/types.ts

    """
    return [
        {
            "score": float(score),
            "keypoints": [
                {"score": float(sure), "part": part, "position": {"x": float(at[0]), "y": float(at[1])}}
                for part, at, sure in zip(PARTS, keypoints, scores, strict=True)
            ],
        }
        for score, keypoints, scores in zip(people.scores, people.keypoints, people.keypoint_scores, strict=True)
    ]


def estimate_single_pose(
    net: Net,
    image: Picture,
    image_scale_factor: float = 0.5,
    flip_horizontal: bool = False,
    output_stride: int = 16,
) -> Answer:
    """Find the pose of the one person in a picture: PoseNet's first interface, with its defaults.

    Args:
        net: what `create_detector("posenet-…")` gave.
        image: (h, w, 3) uint8 RGB.
        image_scale_factor: see `PoseNet`.
        flip_horizontal: see `PoseNet`.
        output_stride: see `PoseNet`.

    Returns:
        One entry of `to_poses`, or None where the network gave no numbers; in the page an awaitable of it.

    Raises:
        ValueError: an option is out of range; the message names the range.

    """
    return again(
        net,
        image,
        decoding="single-person",
        image_scale_factor=image_scale_factor,
        flip_horizontal=flip_horizontal,
        output_stride=output_stride,
        min_score=0,
        then=lambda people: to_poses(people)[0] if len(people) else None,
    )


def estimate_multiple_poses(
    net: Net,
    image: Picture,
    image_scale_factor: float = 0.5,
    flip_horizontal: bool = False,
    output_stride: int = 16,
    max_detections: int = 5,
    score_threshold: float = 0.5,
    nms_radius: float = 20.0,
) -> Answer:
    """Find the poses of all people in a picture: PoseNet's first interface, with its defaults.

    As in the original, poses of any score are given: the caller filters those with too low a score.

    Args:
        net: what `create_detector("posenet-…")` gave.
        image: (h, w, 3) uint8 RGB.
        image_scale_factor: see `PoseNet`, as the other options.
        flip_horizontal: see `PoseNet`.
        output_stride: see `PoseNet`.
        max_detections: see `PoseNet`.
        score_threshold: see `PoseNet`.
        nms_radius: see `PoseNet`.

    Returns:
        A list as `to_poses` gives; in the page an awaitable of it.

    Raises:
        ValueError: an option is out of range; the message names the range.

    """
    return again(
        net,
        image,
        image_scale_factor=image_scale_factor,
        flip_horizontal=flip_horizontal,
        output_stride=output_stride,
        max_detections=max_detections,
        score_threshold=score_threshold,
        min_score=0,
        nms_radius=nms_radius,
        then=to_poses,
    )


def again(net: Net, image: Picture, *, then: Callable[[People], T], **options: Any) -> T | Awaitable[T]:  # noqa: ANN401
    """Run a detector's or segmenter's system once with other options, then `then` on the people.

    Natively at once; in the page awaited.
    """
    options.setdefault("any_size", net.any_size)
    pipeline = type(net.pipeline)(net.pipeline.inputs.model, **options)
    people = net.estimate_by(pipeline, image)
    if not isawaitable(people):
        return then(people)

    async def later() -> T:
        return then(await people)

    return later()
