"""People as plain records: the JSON object of a frame, and the one array in which they leave the Python worker."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens import rle
from bodylens.people import People

# (frame index, time, width, height, persons, keypoints, dimensions, has world, masks, capsules, has presence)
HEADER = 11


def _rounded(values: NDArray[np.float32], digits: int) -> Any:  # noqa: ANN401
    return np.round(values.astype(np.float64), digits).tolist()


def to_record(
    people: People, mask: NDArray[np.float32] | None = None, masks: Sequence[NDArray[np.float32]] | None = None
) -> dict[str, Any]:
    """Give a frame's people as an object that JSON can hold.

    Args:
        people: n persons with k keypoints.
        mask: (height, width) float32 as `People.read_mask` gives it, to be included thresholded; None leaves it out.
        masks: one for each person, likewise.

    Returns:
        `{"frame": {"index", "time", "width", "height"}, "people": [{"id", "score", "box": [x, y, w, h],
        "keypoints": [{"name", "x", "y", "z"?, "score", "presence"?}], "world"?: [{"name", "x", "y", "z", "score"}]}],
        "mask"?: {"width", "height", "rle"}, "masks"?: [{"width", "height", "rle"}]}`: pixels of the frame as it was
        given, never mirrored, seconds, metres for world; `presence` where a system tells hidden keypoints from those
        outside the picture; `rle` as in `bodylens.rle`.

    """
    frame = people.frame
    boxes, scores = _rounded(people.boxes, 2), _rounded(people.scores, 4)
    keypoints, keypoint_scores = _rounded(people.keypoints, 2), _rounded(people.keypoint_scores, 4)
    world = None if people.world is None else _rounded(people.world, 4)
    presence = None if people.presence is None else _rounded(people.presence, 4)
    persons: list[dict[str, Any]] = []
    for i in range(len(people)):
        points = zip(people.names, keypoints[i], keypoint_scores[i], strict=True)
        person: dict[str, Any] = {
            "id": int(people.ids[i]),
            "score": scores[i],
            "box": boxes[i],
            "keypoints": [_point(name, at, score) for name, at, score in points],
        }
        if presence is not None:
            for point, value in zip(person["keypoints"], presence[i], strict=True):
                point["presence"] = value
        if world is not None:
            points = zip(people.names, world[i], keypoint_scores[i], strict=True)
            person["world"] = [_point(name, at, score) for name, at, score in points]
        persons.append(person)
    record: dict[str, Any] = {
        "frame": {"index": frame.index, "time": frame.time, "width": frame.width, "height": frame.height},
        "people": persons,
    }
    threshold = people.masks[0].threshold if people.masks else 0.5
    if mask is not None:
        record["mask"] = _encoded(mask >= threshold)
    if masks is not None:
        record["masks"] = [_encoded(one >= threshold) for one in masks]
    return record


def _encoded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"width": mask.shape[1], "height": mask.shape[0], "rle": rle.encode(mask)}


def _point(name: str, at: list[float], score: float) -> dict[str, Any]:
    return {"name": name, **dict(zip("xyz", at, strict=False)), "score": score}


def pack(people: People, capsules: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Lay people out as one array, which crosses workers at the price of one buffer.

    Args:
        people: n persons with k keypoints of d coordinates.
        capsules: (c, 12) float32, as `limb_parts.capsules` gives them; None where no parts are drawn from skeletons.

    Returns:
        float64: the header (`HEADER` numbers), then ids (n), scores (n), boxes (n*4), keypoints (n*k*d),
        keypoint scores (n*k), world (n*k*3) if any, presence (n*k) if any, masks (m*6: handle, region x, y, width,
        height, rotation), capsules (c*12). `web/people.js` reads it.

    """
    n, k, d = people.keypoints.shape
    frame = people.frame
    has_world, has_presence = people.world is not None, people.presence is not None
    rows = 0 if capsules is None else len(capsules)
    header = (
        frame.index,
        frame.time,
        frame.width,
        frame.height,
        n,
        k,
        d,
        has_world,
        len(people.masks),
        rows,
        has_presence,
    )
    parts: list[NDArray[Any]] = [
        np.array(header, np.float64),
        people.ids,
        people.scores,
        people.boxes.ravel(),
        people.keypoints.ravel(),
        people.keypoint_scores.ravel(),
    ]
    if people.world is not None:
        parts.append(people.world.ravel())
    if people.presence is not None:
        parts.append(people.presence.ravel())
    for mask in people.masks:
        r = mask.region
        parts.append(np.array((mask.handle, r.x, r.y, r.width, r.height, r.rotation)))
    if capsules is not None:
        parts.append(capsules.ravel())
    return np.concatenate(parts, dtype=np.float64)
