"""The BlazePose pipeline: detect once, then follow each person from frame to frame by its own landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bodylens.blazepose import detector, landmarks
from bodylens.blazepose.alignment import MARGIN, body_region, to_frame, turned
from bodylens.filters import LowPass, Motion, OneEuro, rows_of
from bodylens.flip import flip
from bodylens.frame import Frame
from bodylens.options import flags, number, whole
from bodylens.people import People
from bodylens.pipeline import Estimation, Infer, Inferred, Keep
from bodylens.region import Region
from bodylens.selfie import SMOOTHING_RATIO
from bodylens.topology import BLAZEPOSE
from bodylens.tracker import Sightings, Tracker, Tracks, nearness, oks

Floats = NDArray[np.float32]

# Smoothing of landmarks, auxiliary landmarks and world landmarks: cut-off at rest, and how it rises with speed.
# ref: mediapipe/modules/pose_landmark/pose_landmark_filtering.pbtxt
BODY_FILTER = (0.05, 80.0)
AUXILIARY_FILTER = (0.01, 10.0)
WORLD_FILTER = (0.1, 40.0)
VISIBILITY = LowPass(0.1)

# The auxiliary landmarks are always smoothed, for they aim the next frame's region.
AIM = OneEuro(*AUXILIARY_FILTER)


def _together() -> OneEuro:
    """Make one filter for all points: 33 in the picture, 2 auxiliary, 33 in metres."""
    counts = (landmarks.BODY, landmarks.AUXILIARY, landmarks.BODY)
    cutoff, beta = (
        np.repeat(np.array(values, np.float32), counts)[:, None]
        for values in zip(BODY_FILTER, AUXILIARY_FILTER, WORLD_FILTER, strict=True)
    )
    return OneEuro(cutoff, beta)


ALL = _together()

# A detection is of someone who is followed already if the middles of their hips are closer than this part of the
# circle around the body.
NEAR = 0.1
# From which score a detection counts: for one person as in the original; among several the detector is less sure of all
# but one, and the landmark network has the last word.
DETECTION_OF_ONE = 0.5
DETECTION_OF_SEVERAL = 0.2
# Two persons whose landmarks are more alike than this are one (object keypoint similarity) …
TWIN = 0.5
# … and so is someone who is new with someone who is followed, if their hips are closer than this part of the circle.
CLOSE = 0.15
# The detector looks for more people at first every frame, then ever more seldom, at least once in so many frames.
SELDOM = 16
# … and in so many while someone is missed.
OFTEN = 2
# A mask stream's first mask takes nothing from whoever had the stream before, but begins it.
BEGIN = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the frames so far taught.

    Attributes:
        size: (width, height) of the frames; another size begins anew.
        ids: (n,) int32, who is followed.
        streams: the mask stream of each.
        regions: where to look for each in the next frame.
        visibility: (n, 33), smoothed.
        motion: the One-Euro filters' memory.
        missed: ids of those who were followed and lost a moment ago, each with the region where they should be by now.
        time: of the last frame, seconds.
        tracks: who was seen lately, whether followed or not.
        wait: frames until the detector looks for more people.
        interval: frames between its looks.

    """

    size: tuple[int, int]
    tracks: Tracks
    ids: NDArray[np.int32]
    streams: tuple[int, ...] = ()
    regions: tuple[Region, ...] = ()
    visibility: Floats | None = None
    motion: Motion | None = None
    missed: tuple[tuple[int, Region], ...] = ()
    time: float = 0.0
    wait: int = 0
    interval: int = 1


class BlazePose:
    """One or several people: 33 landmarks each, in pixels and in metres; masks if wanted.

    Keypoint scores are visibilities: how probably a landmark is in the picture and not hidden. A person's score is the
    network's confidence that someone is there.

    Args:
        model: "blazepose-lite", "blazepose-full" or "blazepose-heavy": better and slower in that order.
        enable_smoothing: calm landmarks over time.
        enable_segmentation: give a mask for each person.
        smooth_segmentation: calm masks over time.
        static_image_mode: take each frame for itself: no tracking, no smoothing; None does so with stills alone.
        min_detection_confidence: from which score a detection counts, 0 … 1; None takes 0.5 for one person and 0.2 for
            several, of whom the landmark network is then asked.
        min_tracking_confidence: below which score of the landmark network a person is taken for lost, 0 … 1.
        max_poses: how many people to follow. With more than one, the detector goes on looking for others now and then.
        threshold: the probability from which a cell of a mask counts, above 0 and at most 1.
        flip_horizontal: mirror the results: x becomes width − 1 − x, masks are mirrored, names stay.

    Raises:
        ValueError: an option is out of range.

    """

    topology = BLAZEPOSE

    def __init__(
        self,
        model: str = "blazepose-full",
        *,
        enable_smoothing: bool = True,
        enable_segmentation: bool = False,
        smooth_segmentation: bool = True,
        static_image_mode: bool | None = None,
        min_detection_confidence: float | None = None,
        min_tracking_confidence: float = 0.5,
        max_poses: int = 1,
        threshold: float = 0.5,
        flip_horizontal: bool = False,
    ) -> None:
        flags(
            enable_smoothing=enable_smoothing,
            enable_segmentation=enable_segmentation,
            smooth_segmentation=smooth_segmentation,
            static_image_mode=False if static_image_mode is None else static_image_mode,
            flip_horizontal=flip_horizontal,
        )
        self.max_poses = whole("max_poses", max_poses, 1)
        if min_detection_confidence is None:
            min_detection_confidence = DETECTION_OF_ONE if self.max_poses == 1 else DETECTION_OF_SEVERAL
        self.min_detection_confidence = number("min_detection_confidence", min_detection_confidence, 0, 1)
        self.min_tracking_confidence = number("min_tracking_confidence", min_tracking_confidence, 0, 1)
        threshold = number("threshold", threshold, 0, 1, above=True)
        # Without a mask its part of the network is cut away, which is a quarter of the time.
        self.model = model if enable_segmentation else f"{model}+poses"
        self.smooth = enable_smoothing
        self.static = static_image_mode
        self.flip = flip_horizontal
        smoothing = SMOOTHING_RATIO if smooth_segmentation and not static_image_mode else 0.0
        mask = Keep("mask", activation="sigmoid", threshold=threshold, smoothing=smoothing)
        self.keep = (mask,) if enable_segmentation else ()
        self.similarity = oks(BLAZEPOSE.sigmas)
        self.tracker = Tracker(nearness, max_tracks=3 * self.max_poses)
        self.memory: Memory | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The detector and the landmark network."""
        return (detector.MODEL, self.model)

    def ahead(self, frame: Frame) -> Sequence[Infer]:
        """Look at everyone who is followed, where the missed should be, and for others when it is time."""
        return self._first(self._recall(frame), frame)

    def reset(self) -> None:
        """Forget everyone."""
        self.memory = None

    def estimate(self, frame: Frame) -> Estimation:
        """Give everyone whom the landmark network is sure of."""
        memory = self._recall(frame)
        asked = self._first(memory, frame)
        answers = yield asked
        regions, streams = [*memory.regions, *self._coasting(memory)], list(self._streams(memory))
        looks = list(answers[: len(regions)])
        searched = len(asked) > len(regions)
        if searched:
            answer = answers[-1].outputs
            found = detector.decode(
                answer["boxes"], answer["scores"], asked[-1].region, self.min_detection_confidence, 2 * self.max_poses
            )
            fresh = self._unknown(found, regions)[: self.max_poses - len(memory.regions)]
            if fresh:
                free = [stream for stream in range(len(streams) + len(fresh)) if stream not in streams]
                more = [self._look(region, stream, True) for region, stream in zip(fresh, free, strict=False)]
                looks += yield more
                regions += fresh
                streams += free[: len(fresh)]

        known = np.full(len(looks), -1, np.int32)
        known[: len(memory.ids)] = memory.ids
        sure = [i for i, look in enumerate(looks) if look.outputs["flag"].item() >= self.min_tracking_confidence]
        if not sure:
            self._commit(frame, self._lost(memory, frame.time))
            return People.none(frame, BLAZEPOSE.names, 3)
        people, after = self._people(
            frame,
            memory,
            [looks[i] for i in sure],
            [regions[i] for i in sure],
            tuple(streams[i] for i in sure),
            known[sure],
        )
        self._commit(frame, self._scheduled(memory, after, searched))
        return flip(people) if self.flip else people

    def _is_static(self, frame: Frame) -> bool:
        return frame.still if self.static is None else self.static

    def _recall(self, frame: Frame) -> Memory:
        size = (frame.width, frame.height)
        if self._is_static(frame) or self.memory is None or self.memory.size != size:
            return Memory(size, Tracks.none(landmarks.BODY), np.empty(0, np.int32))
        return self.memory

    def _commit(self, frame: Frame, memory: Memory) -> None:
        if not self._is_static(frame):
            self.memory = memory

    def _first(self, memory: Memory, frame: Frame) -> list[Infer]:
        regions = [*memory.regions, *self._coasting(memory)]
        looks = [
            self._look(region, stream, i >= len(memory.regions))
            for i, (region, stream) in enumerate(zip(regions, self._streams(memory), strict=True))
        ]
        if not memory.regions or (len(memory.regions) < self.max_poses and memory.wait <= 0):
            looks.append(Infer(detector.MODEL, detector.look_at(frame.width, frame.height), detector.OUTPUTS))
        return looks

    def _coasting(self, memory: Memory) -> list[Region]:
        """Say where to look for the missed: they cost what they cost when they were followed."""
        return [region for _, region in memory.missed[: self.max_poses - len(memory.regions)]]

    def _streams(self, memory: Memory) -> tuple[int, ...]:
        """Give the mask streams of those who are followed, then of those who are missed."""
        coasting = len(self._coasting(memory))
        free = [stream for stream in range(len(memory.streams) + coasting) if stream not in memory.streams]
        return (*memory.streams, *free[:coasting])

    def _look(self, region: Region, stream: int, begins: bool) -> Infer:
        keep = tuple(
            replace(k, stream=stream, smoothing=min(k.smoothing, BEGIN) if begins else k.smoothing) for k in self.keep
        )
        return Infer(self.model, region, ("landmarks", "flag", "heatmap", "world"), keep)

    def _unknown(self, found: detector.Detections, regions: Sequence[Region]) -> list[Region]:
        """Give the regions of detections that are of nobody who is followed already."""
        fresh: list[Region] = []
        for centre, rim in found.points[:, :2].tolist():
            region = body_region(centre, rim)
            if region.width > 0 and not any(_near(region, other) for other in (*regions, *fresh)):
                fresh.append(region)
        return fresh

    def _people(
        self,
        frame: Frame,
        memory: Memory,
        looks: Sequence[Inferred],
        regions: Sequence[Region],
        streams: tuple[int, ...],
        known: NDArray[np.int32],
    ) -> tuple[People, Memory]:
        """Read what the landmark network says of each region; give the people, and what is to be remembered."""
        read = landmarks.decode(_rows(looks, "landmarks"), _rows(looks, "heatmap"))
        world = turned(landmarks.world(_rows(looks, "world")), regions)
        points = to_frame(read.points, regions)
        scores = _rows(looks, "flag").reshape(-1)
        visibility = read.visibility
        seen = _sightings(points[:, : landmarks.BODY], visibility, frame)

        chosen = self._distinct(seen, known, scores, points[:, landmarks.BODY :, :2])
        if len(chosen) < len(looks):
            points, world, scores, known = points[chosen], world[chosen], scores[chosen], known[chosen]
            visibility, presence, seen = visibility[chosen], read.presence[chosen], seen.take(chosen)
            streams, looks = tuple(streams[i] for i in chosen), [looks[i] for i in chosen]
        else:
            presence = read.presence

        static = self._is_static(frame)
        if static:
            ids, tracks = np.arange(1, len(looks) + 1, dtype=np.int32), memory.tracks
        else:
            ids, tracks = self.tracker.step(memory.tracks, seen, frame.time, known)
        motion = memory.motion
        if not static:
            rows = rows_of(memory.ids, known)
            points, world, motion = self._filtered(memory, rows, points, world, frame.time)
            if self.smooth:
                visibility = VISIBILITY.step(memory.visibility, rows, visibility)
        keypoints = points[:, : landmarks.BODY]
        low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
        people = People(
            frame,
            ids=ids,
            scores=scores,
            boxes=np.concatenate([low, high - low], axis=1),
            keypoints=keypoints,
            keypoint_scores=visibility,
            presence=presence,
            world=world,
            names=BLAZEPOSE.names,
            masks=tuple(mask for look in looks for mask in look.masks),
        )
        aims = points[:, landmarks.BODY :, :2].tolist()
        after = Memory(
            memory.size,
            tracks,
            ids,
            streams,
            tuple(body_region(centre, rim) for centre, rim in aims),
            visibility,
            motion,
            self._missed(memory, tracks, ids, frame.time),
            frame.time,
            memory.wait,
            memory.interval,
        )
        return people, after

    def _filtered(
        self, memory: Memory, rows: NDArray[np.int32], points: Floats, world: Floats, time: float
    ) -> tuple[Floats, Floats, Motion]:
        body = landmarks.BODY
        aim = points[:, body:, :2]
        size = 2 * np.sqrt(np.square(aim[:, 0] - aim[:, 1]).sum(axis=-1))[:, None, None]
        if not self.smooth:
            aimed, motion = AIM.step(memory.motion, rows, points[:, body:], time, size)
            return np.concatenate([points[:, :body], aimed], axis=1), world, motion
        scale = np.ones((len(points), 2 * body + landmarks.AUXILIARY, 1), np.float32)
        scale[:, : landmarks.USED] = size
        together, motion = ALL.step(memory.motion, rows, np.concatenate([points, world], axis=1), time, scale)
        return together[:, : landmarks.USED], together[:, landmarks.USED :], motion

    def _distinct(self, seen: Sightings, known: NDArray[np.int32], scores: Floats, aims: Floats) -> NDArray[np.intp]:
        """Choose one of those who are too alike: regions that met look at the same person; and no more than wanted.

        Who is followed goes before who is new, the surer before the less sure.
        """
        n = len(seen)
        everyone = np.arange(n)
        if n == 1:
            return everyone
        centres = aims[:, 0]
        apart = np.sqrt(np.square(centres[:, None] - centres).sum(axis=-1))
        across = 2 * np.sqrt(np.square(aims[:, 0] - aims[:, 1]).sum(axis=-1))
        new = known < 0
        same = self.similarity(seen, seen) > TWIN
        same |= (apart < CLOSE * np.minimum(across, across[:, None])) & (new | new[:, None])
        np.fill_diagonal(same, False)
        if not same.any() and n <= self.max_poses:
            return everyone
        chosen: list[int] = []
        for i in np.argsort(new - scores, kind="stable").tolist():
            if not (same[i, chosen].any() or same[chosen, i].any()):
                chosen.append(i)
        return np.array(sorted(chosen[: self.max_poses]), np.intp)

    def _missed(
        self, before: Memory, tracks: Tracks, ids: NDArray[np.int32], time: float
    ) -> tuple[tuple[int, Region], ...]:
        """Move those who are not found any more on with the velocity that they had."""
        if self.max_poses == 1 or not (before.missed or len(before.ids)):
            return ()
        elapsed = max(time - before.time, 0.0)
        shift = (tracks.velocity * np.array(before.size, np.float32) * np.float32(elapsed)).tolist()
        known = tracks.ids.tolist()
        return tuple(
            (who, replace(region, x=region.x + shift[row][0], y=region.y + shift[row][1]))
            for who, region in (*zip(before.ids.tolist(), before.regions, strict=True), *before.missed)
            if who not in ids and who in known
            for row in (known.index(who),)
        )

    def _lost(self, memory: Memory, time: float) -> Memory:
        """Follow nobody, but know the people who were lost should they come back."""
        nobody = np.empty(0, np.int32)
        _, tracks = self.tracker.step(memory.tracks, memory.tracks.last.take(np.empty(0, np.intp)), time)
        return Memory(memory.size, tracks, nobody, missed=self._missed(memory, tracks, nobody, time), time=time)

    def _scheduled(self, before: Memory, after: Memory, searched: bool) -> Memory:
        """Say when the detector is to look for others."""
        changed = set(before.ids.tolist()) != set(after.ids.tolist())
        missed = len(after.tracks.ids) > len(after.ids)
        longest = OFTEN if missed else SELDOM
        interval = 1 if changed else min(2 * before.interval if searched else before.interval, longest)
        wait = 0 if changed else interval - 1 if searched else max(before.wait - 1, 0)
        return replace(after, wait=wait, interval=interval)


def _near(a: Region, b: Region) -> bool:
    reach = NEAR * min(a.width, b.width) / MARGIN
    return (a.x - b.x) ** 2 + (a.y - b.y) ** 2 < reach**2


def _rows(looks: Sequence[Inferred], output: str) -> Floats:
    """Put the outputs of several inferences into one array, person by person."""
    arrays = [look.outputs[output] for look in looks]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _sightings(keypoints: Floats, scores: Floats, frame: Frame) -> Sightings:
    """Take landmarks (n, k, 3) to what the tracker compares."""
    relative: Floats = keypoints[..., :2] * np.array([1 / frame.width, 1 / frame.height], np.float32)
    low, high = relative.min(axis=1), relative.max(axis=1)
    return Sightings(np.concatenate([low, high - low], axis=1), relative, scores)
