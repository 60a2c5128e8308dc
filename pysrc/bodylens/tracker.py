"""Stable ids: links the persons of a frame with those of the frames before.

Any system that finds several people can use it. It compares keypoints (`oks`) or boxes (`iou`), and is a function of
what it remembers, `Tracks`, so that a frame that fails changes nothing.

ref: tfjs-models/pose-detection/src/calculators/tracker.ts (rules of age and number); motion is this project's own
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# A keypoint counts in the similarity from this score, and a person from so many common keypoints.
# ref: tfjs-models/pose-detection/src/movenet/constants.ts
MIN_KEYPOINT_SCORE = 0.3
MIN_KEYPOINTS = 4

# A caller who followed someone from the last frame to this is believed by this much more similarity.
TRUST = 0.1
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
        next_id: what the next new person will be called.

    """

    ids: NDArray[np.int32]
    times: NDArray[np.float64]
    last: Sightings
    velocity: Floats
    next_id: int = 1

    @classmethod
    def none(cls, keypoints: int) -> "Tracks":
        """Nobody was ever seen, of topologies with so many keypoints."""
        nobody = Sightings(
            np.empty((0, 4), np.float32), np.empty((0, keypoints, 2), np.float32), np.empty((0, keypoints), np.float32)
        )
        return cls(np.empty(0, np.int32), np.empty(0), nobody, np.empty((0, 2), np.float32))


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
        max_age: for how many seconds an unseen person is remembered.
        momentum: the weight of the newest step in a person's velocity, by which tracks are moved on before they are
            compared; 0 leaves them where they were last seen, as the original does. With it, people who cross keep
            their ids.

    Raises:
        ValueError: a number is out of range.

    """

    similarity: Similarity
    min_similarity: float = 0.15
    max_tracks: int = 18
    max_age: float = 1.0
    momentum: float = 0.25

    def __post_init__(self) -> None:
        if self.max_tracks < 1:
            raise ValueError(f"max_tracks must be at least 1, not {self.max_tracks}")
        if self.max_age <= 0:
            raise ValueError(f"max_age must be above 0 seconds, not {self.max_age}")

    def expected(self, tracks: Tracks, time: float) -> Sightings:
        """Say where everyone who is remembered should be by now."""
        if not self.momentum or not len(tracks.ids):
            return tracks.last
        elapsed = np.clip(time - tracks.times, 0, self.max_age).astype(np.float32)
        return tracks.last.moved(tracks.velocity * elapsed[:, None])

    def step(
        self, tracks: Tracks, seen: Sightings, time: float, known: NDArray[np.int32] | None = None
    ) -> tuple[NDArray[np.int32], Tracks]:
        """Link the persons of one frame.

        Args:
            tracks: what the last frame gave.
            seen: this frame's n persons.
            time: of the frame, seconds; one from the past begins anew (ids are not used again).
            known: (n,) the ids of those whom the caller followed from the last frame, -1 for others; None where it did
                not follow. It may have followed the wrong one of two who met, so it is not simply believed.

        Returns:
            (n,) int32 ids, and what is to be remembered.

        """
        if len(tracks.ids) and time < tracks.times[0]:
            tracks = replace(Tracks.none(tracks.last.keypoints.shape[1]), next_id=tracks.next_id)
        fresh = np.flatnonzero(time - tracks.times <= self.max_age)
        if len(fresh) < len(tracks.ids):
            tracks = Tracks(
                tracks.ids[fresh], tracks.times[fresh], tracks.last.take(fresh), tracks.velocity[fresh], tracks.next_id
            )
        expected = self.expected(tracks, time)
        links = self._links(seen, tracks, expected, known)
        crowded = self._crowded(seen, expected, links)

        ids = np.empty(len(seen), np.int32)
        velocity = np.zeros((len(seen), 2), np.float32)
        next_id = tracks.next_id
        for i, track in enumerate(links):
            if track < 0:
                ids[i] = next_id
                next_id += 1
            else:
                ids[i] = tracks.ids[track]
                velocity[i] = tracks.velocity[track]
                elapsed = time - float(tracks.times[track])
                if self.momentum and elapsed > 0 and not crowded[i]:
                    step = (_centre(seen.boxes[i]) - _centre(tracks.last.boxes[track])) / np.float32(elapsed)
                    velocity[i] += np.float32(self.momentum) * (step - velocity[i])
        unseen = np.array([i for i in range(len(tracks.ids)) if i not in links], np.intp)
        keep = unseen[: max(self.max_tracks - len(seen), 0)]
        remembered = Tracks(
            np.concatenate([ids, tracks.ids[keep]]),
            np.concatenate([np.full(len(seen), time), tracks.times[keep]]),
            seen.joined(tracks.last.take(keep)),
            np.concatenate([velocity, tracks.velocity[keep]]),
            next_id,
        )
        return ids, remembered

    def _links(
        self, seen: Sightings, tracks: Tracks, expected: Sightings, known: NDArray[np.int32] | None
    ) -> list[int]:
        """Give each person's track, -1 for none: the most similar pair first, each used once."""
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
        for flat in np.argsort(-alike, axis=None, kind="stable").tolist():
            person, track = divmod(flat, alike.shape[1])
            if alike[person, track] < self.min_similarity:
                break
            if links[person] < 0 and track not in taken:
                links[person] = track
                taken.add(track)
        # Whom the caller followed however far is the same person, if nobody else is.
        for person, track in enumerate(followed):
            if track >= 0 and links[person] < 0 and track not in taken:
                links[person] = track
                taken.add(track)
        return links

    def _crowded(self, seen: Sightings, expected: Sightings, links: list[int]) -> list[bool]:
        """Say who overlaps with somebody else who is, or should be, there."""
        if len(expected) < 2 or not len(seen):
            return [False] * len(seen)
        overlap: Floats = iou(seen, expected)
        for person, track in enumerate(links):
            if track >= 0:
                overlap[person, track] = 0
        crowded: list[bool] = (overlap.max(axis=1) > CROWDED).tolist()
        return crowded


def _centre(box: Floats) -> Floats:
    centre: Floats = box[:2] + box[2:] * np.float32(0.5)
    return centre
