"""Stable ids: links the persons of a frame with those of the frames before.

Any system that finds several people can use it. It compares keypoints (`oks`) or boxes (`iou`), and is a function of
what it remembers, `Tracks`, so that a frame that fails changes nothing.

ref: tfjs-models/pose-detection/src/calculators/tracker.ts (rules of age and number); motion is this project's own
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bodylens.options import choice, number, whole
from bodylens.people import People
from bodylens.topology import COCO

Floats = NDArray[np.float32]

# A keypoint counts in the similarity from this score, and a person from so many common keypoints.
# ref: tfjs-models/pose-detection/src/movenet/constants.ts
MIN_KEYPOINT_SCORE = 0.3
MIN_KEYPOINTS = 4

# However slow the frames come, whoever was in one of the last so many is remembered, if that is no longer ago, seconds.
LAST_FRAMES = 2
PAUSE = 5.0
# A caller who followed someone from the last frame to this is believed by this much more similarity.
TRUST = 0.1
# Whose score is a smaller part of their keypoints' mean is a fragment of somebody else: the score leaves out the
# keypoints that lie on those of a surer person.
OWN = 0.5
# Who overlaps with somebody else by more than this keeps the velocity of before: what is seen may be the other one.
CROWDED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Persons as a tracker compares them, coordinates relative to the frame (0 … 1), so that its shape does not matter.

    Attributes:
        boxes: (n, 4) float32, x, y, width, height.
        keypoints: (n, k, 2) float32.
        scores: (n, k) float32.

    """

    boxes: Floats
    keypoints: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.boxes)

    def moved(self, by: Floats) -> "Sightings":
        """Shift each person by (n, 2)."""
        boxes = self.boxes.copy()
        boxes[:, :2] += by
        return Sightings(boxes, self.keypoints + by[:, None], self.scores)

    def take(self, rows: NDArray[np.intp]) -> "Sightings":
        """Choose persons by number."""
        return Sightings(self.boxes[rows], self.keypoints[rows], self.scores[rows])

    def joined(self, other: "Sightings") -> "Sightings":
        """Put others behind these."""
        return Sightings(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.keypoints, other.keypoints]),
            np.concatenate([self.scores, other.scores]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """What a tracker remembers, freshest first.

    Attributes:
        ids: (m,) int32.
        times: (m,) float64, when each was last seen, seconds.
        last: how each was last seen.
        velocity: (m, 2) float32, frame sides a second.
        missed: (m,) int32, how many frames have come since then.
        sure: (m,) bool, whether each was surely somebody then.
        next_id: what the next new person will be called.

    """

    ids: NDArray[np.int32]
    times: NDArray[np.float64]
    last: Sightings
    velocity: Floats
    missed: NDArray[np.int32]
    sure: NDArray[np.bool_]
    next_id: int = 1

    @classmethod
    def none(cls, keypoints: int) -> "Tracks":
        """Nobody was ever seen, of topologies with so many keypoints."""
        nobody = Sightings(
            np.empty((0, 4), np.float32), np.empty((0, keypoints, 2), np.float32), np.empty((0, keypoints), np.float32)
        )
        none = np.empty(0, np.int32)
        return cls(none, np.empty(0), nobody, np.empty((0, 2), np.float32), none, np.empty(0, bool))


def remembers(unseen: float, missed: int, max_age: float) -> bool:
    """Say whether someone unseen for so many seconds and frames is not forgotten yet."""
    return unseen <= max_age or (missed < LAST_FRAMES and unseen <= PAUSE)


Similarity = Callable[[Sightings, Sightings], Floats]


def iou(new: Sightings, old: Sightings) -> Floats:
    """Intersection over union of the boxes, (n, m) float32."""
    a, b = new.boxes[:, None], old.boxes[None]
    overlap = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    np.maximum(overlap, 0, out=overlap)
    shared = overlap[..., 0] * overlap[..., 1]
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - shared
    result: Floats = shared / np.maximum(union, np.float32(1e-12))
    return result


def nearness(new: Sightings, old: Sightings) -> Floats:
    """How near the boxes' middles are for their size, and how alike their sizes, (n, m) float32.

    1 for the same box; a Gaussian of the distance whose standard deviation is half a box's mean side, times the ratio
    of the sizes. Unlike `iou` it still tells near from far where boxes do not touch.
    """
    a, b = new.boxes[:, None], old.boxes[None]
    side_a, side_b = a[..., 2] + a[..., 3], b[..., 2] + b[..., 3]
    size = np.maximum(np.maximum(side_a, side_b), np.float32(1e-6))
    away = a[..., :2] - b[..., :2] + (a[..., 2:] - b[..., 2:]) * np.float32(0.5)
    result: Floats = np.exp(-8 * np.square(away).sum(axis=-1) / (size * size)) * (np.minimum(side_a, side_b) / size)
    return result


def oks(sigmas: Floats, min_score: float = MIN_KEYPOINT_SCORE, min_keypoints: int = MIN_KEYPOINTS) -> Similarity:
    """Make object keypoint similarity for keypoints that scatter by `sigmas` (k,); the function gives (n, m) float32.

    It is the mean of exp(−d² / (2 · area · (2 sigma)²)) over the keypoints that are sure in both, where d is a
    keypoint's distance and area that of the box around the old person's sure keypoints; 0 with fewer common ones than
    `min_keypoints`.

    ref: https://cocodataset.org/#keypoints-eval
    """
    spread = 8 * np.square(sigmas)

    def similarity(new: Sightings, old: Sightings) -> Floats:
        sure = old.scores[..., None] > min_score
        low = np.where(sure, old.keypoints, 1).min(axis=1, initial=1)
        high = np.where(sure, old.keypoints, 0).max(axis=1, initial=0)
        area = (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1]) + np.float32(1e-6)
        away = np.square(new.keypoints[:, None] - old.keypoints[None]).sum(axis=-1)
        alike = np.exp(-away / (area[None, :, None] * spread))
        both = (new.scores[:, None] >= min_score) & (old.scores[None] >= min_score)
        count = both.sum(axis=-1)
        total = np.where(both, alike, 0).sum(axis=-1, dtype=np.float32)
        result: Floats = np.where(count >= min_keypoints, total / np.maximum(count, 1), 0).astype(np.float32)
        return result

    return similarity


@dataclass(frozen=True, slots=True)
class Tracker:
    """The rules of linking.

    Attributes:
        similarity: `iou`, `nearness` or `oks(sigmas)`.
        min_similarity: below it two sightings are not the same person.
        max_tracks: how many persons are remembered, those seen last first.
        max_age: for how many seconds an unseen person is remembered; longer where frames come so seldom that it would
            not outlast one that was missed.
        momentum: the weight of the newest step in a person's velocity, by which tracks are moved on before they are
            compared; 0 leaves them where they were last seen, as the original does. With it, people who cross keep
            their ids.
        min_nearness: whoever is too unlike all tracks takes the one that is nearest and of a like size, where
            `nearness` is at least this and nobody else took it: turning around makes nobody new; None
            never does, as in the original.

    Raises:
        ValueError: a number is out of range.

    """

    similarity: Similarity
    min_similarity: float = 0.15
    max_tracks: int = 18
    max_age: float = 1.0
    momentum: float = 0.25
    min_nearness: float | None = None

    def __post_init__(self) -> None:
        number("min_similarity", self.min_similarity, 0, 1)
        object.__setattr__(self, "max_tracks", whole("max_tracks", self.max_tracks, 1))
        number("max_age", self.max_age, 0, above=True)

    def expected(self, tracks: Tracks, time: float) -> Sightings:
        """Say where everyone who is remembered should be by now."""
        if not self.momentum or not len(tracks.ids):
            return tracks.last
        elapsed = np.clip(time - tracks.times, 0, self.max_age).astype(np.float32)
        return tracks.last.moved(tracks.velocity * elapsed[:, None])

    def step(
        self,
        tracks: Tracks,
        seen: Sightings,
        time: float,
        known: NDArray[np.int32] | None = None,
        sure: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], Tracks]:
        """Link the persons of one frame.

        Args:
            tracks: what the last frame gave.
            seen: this frame's n persons.
            time: of the frame, seconds; one from the past begins anew (ids are not used again).
            known: (n,) the ids of those whom the caller followed from the last frame, -1 for others; None where it did
                not follow. It may have followed the wrong one of two who met, so it is not simply believed.
            sure: (n,) bool, who is surely somebody; None where all are. They and those who were sure before are linked
                first, and the others get what is left: a fragment of a person takes nobody's id.

        Returns:
            (n,) int32 ids, and what is to be remembered.

        """
        if len(tracks.ids) and time < tracks.times[0]:
            tracks = replace(Tracks.none(tracks.last.keypoints.shape[1]), next_id=tracks.next_id)
        unseen_for = zip((time - tracks.times).tolist(), tracks.missed.tolist(), strict=True)
        fresh = np.array([i for i, ages in enumerate(unseen_for) if remembers(*ages, self.max_age)], np.intp)
        if len(fresh) < len(tracks.ids):
            tracks = Tracks(
                tracks.ids[fresh],
                tracks.times[fresh],
                tracks.last.take(fresh),
                tracks.velocity[fresh],
                tracks.missed[fresh],
                tracks.sure[fresh],
                tracks.next_id,
            )
        if sure is None:
            sure = np.ones(len(seen), bool)
        expected = self.expected(tracks, time)
        links = self._links(seen, tracks, expected, known, sure)
        old = np.array(links, np.intp)
        linked, new = old >= 0, np.flatnonzero(old < 0)

        ids = np.empty(len(seen), np.int32)
        ids[linked] = tracks.ids[old[linked]]
        next_id = tracks.next_id + len(new)
        ids[new] = np.arange(tracks.next_id, next_id)
        velocity = np.zeros((len(seen), 2), np.float32)
        velocity[linked] = tracks.velocity[old[linked]]
        if self.momentum and linked.any():
            elapsed = np.where(linked, time - tracks.times[old], 0).astype(np.float32)
            moving = (elapsed > 0) & ~self._crowded(seen, expected, links)
            step = _centre(seen.boxes[moving]) - _centre(tracks.last.boxes[old[moving]])
            step /= elapsed[moving, None]
            velocity[moving] += np.float32(self.momentum) * (step - velocity[moving])
        unseen = np.ones(len(tracks.ids), bool)
        unseen[old[linked]] = False
        keep = np.flatnonzero(unseen)[: max(self.max_tracks - len(seen), 0)]
        remembered = Tracks(
            np.concatenate([ids, tracks.ids[keep]]),
            np.concatenate([np.full(len(seen), time), tracks.times[keep]]),
            seen.joined(tracks.last.take(keep)),
            np.concatenate([velocity, tracks.velocity[keep]]),
            np.concatenate([np.zeros(len(seen), np.int32), tracks.missed[keep] + np.int32(1)]),
            np.concatenate([sure, tracks.sure[keep]]),
            next_id,
        )
        return ids, remembered

    def _links(
        self,
        seen: Sightings,
        tracks: Tracks,
        expected: Sightings,
        known: NDArray[np.int32] | None,
        sure: NDArray[np.bool_],
    ) -> list[int]:
        """Give each person's track, -1 for none: the most similar pair first, each used once.

        ref: Y. Zhang et al., "ByteTrack", ECCV 2022, for two rounds by score
        """
        row_of = {who: row for row, who in enumerate(tracks.ids.tolist())}
        followed = [-1] * len(seen) if known is None else [row_of.get(who, -1) for who in known.tolist()]
        only_one = len(seen) == len(tracks.ids) == 1 and followed == [0]
        if not len(seen) or not len(tracks.ids) or only_one:
            return followed
        alike = self.similarity(seen, expected)
        for person, track in enumerate(followed):
            if track >= 0:
                alike[person, track] += TRUST
        links = [-1] * len(seen)
        taken: set[int] = set()
        first = sure[:, None] & tracks.sure
        everyone = np.ones_like(first)
        for among in [everyone] if first.all() else [first, everyone]:
            _link(links, taken, np.where(among, alike, -np.inf), self.min_similarity)
            if self.min_nearness is not None and -1 in links and len(taken) < len(tracks.ids):
                _link(links, taken, np.where(among, nearness(seen, expected), -np.inf), self.min_nearness)
        # Whom the caller followed however far is the same person, if nobody else is.
        for person, track in enumerate(followed):
            if track >= 0 and links[person] < 0 and track not in taken:
                links[person] = track
                taken.add(track)
        return links

    def _crowded(self, seen: Sightings, expected: Sightings, links: list[int]) -> NDArray[np.bool_]:
        """Say who overlaps with somebody else who is, or should be, there."""
        if len(expected) < 2 or not len(seen):
            return np.zeros(len(seen), bool)
        overlap: Floats = iou(seen, expected)
        for person, track in enumerate(links):
            if track >= 0:
                overlap[person, track] = 0
        crowded: NDArray[np.bool_] = overlap.max(axis=1) > CROWDED
        return crowded


# What can be compared, below which similarity it is not the same person, and from which nearness it is all the same.
# ref: tfjs-models/pose-detection/src/movenet/constants.ts for the first two
TRACKERS: dict[str, tuple[Similarity, float, float | None]] = {
    "bounding_box": (iou, 0.15, None),
    "keypoint": (oks(COCO.sigmas), 0.2, 0.75),
}


def oks_of(falloff: Sequence[float] | None, min_score: float, min_keypoints: int) -> Similarity:
    """Make the keypoint similarity of people with 17 keypoints that a system's options describe.

    Args:
        falloff: 17 standard deviations, see `oks`; None takes COCO's.
        min_score: see `oks`, 0 … 1.
        min_keypoints: see `oks`, 1 … 17.

    Raises:
        ValueError: an option is out of range.

    """
    min_score = number("keypoint_confidence_threshold", min_score, 0, 1)
    min_keypoints = whole("min_number_of_keypoints", min_keypoints, 1, len(COCO))
    if falloff is None:
        return oks(COCO.sigmas, min_score, min_keypoints)
    try:
        sigmas = [number("keypoint_falloff", sigma, 0, above=True) for sigma in falloff]
    except (TypeError, ValueError):
        sigmas = []
    if len(sigmas) != len(COCO):
        raise ValueError(f"keypoint_falloff must be {len(COCO)} numbers above 0, not {falloff!r}")
    return oks(np.array(sigmas, np.float32), min_score, min_keypoints)


def tracker_of(
    tracker_type: str,
    max_age: float,
    max_tracks: int,
    min_similarity: float | None = None,
    keypoint_similarity: Similarity | None = None,
) -> Tracker:
    """Make the tracker of people with 17 keypoints that a system's options describe.

    Args:
        tracker_type: "bounding_box" or "keypoint": what is compared.
        max_age: see `Tracker`.
        max_tracks: see `Tracker`.
        min_similarity: see `Tracker`; None takes the type's usual one. Whoever gives one is taken at their word: then
            nearness links nobody who is less similar.
        keypoint_similarity: what compares keypoints, see `oks_of`; None takes the usual one.

    Raises:
        ValueError: an option is out of range.

    """
    similarity, usual, near = TRACKERS[choice("tracker_type", tracker_type, TRACKERS)]
    if tracker_type == "keypoint" and keypoint_similarity is not None:
        similarity = keypoint_similarity
    if min_similarity is not None:
        return Tracker(similarity, min_similarity, max_tracks, max_age)
    return Tracker(similarity, usual, max_tracks, max_age, min_nearness=near)


class Identities:
    """The ids of a system that remembers nothing else and scores people by what is their own (see `personlab`).

    It gives people ids that last, from 1.

    Args:
        tracker: the rules; None numbers the people of each frame from 1.

    """

    def __init__(self, tracker: Tracker | None) -> None:
        self.tracker = tracker
        self.size = (0, 0)
        self.tracks: Tracks | None = None

    def reset(self) -> None:
        """Forget everyone; ids begin again at 1."""
        self.tracks = None

    def named(self, people: People) -> People:
        """Give the people of the next frame their ids; once a frame, when all else about it is known."""
        if self.tracker is None:
            return replace(people, ids=np.arange(1, len(people) + 1, dtype=np.int32))
        frame = people.frame
        tracks, nobody = self.tracks, Tracks.none(people.keypoints.shape[1])
        if tracks is None:
            tracks = nobody
        elif self.size != (frame.width, frame.height):
            # Where people were in a picture of another shape says nothing.
            tracks = replace(nobody, next_id=tracks.next_id)
        size = np.array([frame.width, frame.height], np.float32)
        boxes = people.boxes / np.concatenate([size, size])
        seen = Sightings(boxes, people.keypoints[..., :2] / size, people.keypoint_scores)
        sure = people.scores >= OWN * people.keypoint_scores.mean(axis=1)
        ids, self.tracks = self.tracker.step(tracks, seen, frame.time, sure=sure)
        self.size = (frame.width, frame.height)
        return replace(people, ids=ids)


def _centre(boxes: Floats) -> Floats:
    centre: Floats = boxes[:, :2] + boxes[:, 2:] * np.float32(0.5)
    return centre


def _link(links: list[int], taken: set[int], alike: Floats, least: float) -> None:
    """Give persons without a track one that is not taken: the most similar pair first, down to the least similarity."""
    for flat in np.argsort(-alike, axis=None, kind="stable").tolist():
        person, track = divmod(flat, alike.shape[1])
        if alike[person, track] < least:
            break
        if links[person] < 0 and track not in taken:
            links[person] = track
            taken.add(track)
