"""Who is who in real clips in which people cross.

`python tests/bench/crossings.py CLIP [--frames N] [--crop X,Y,W,H]` counts what can be counted in any clip without a
truth: how many people are seen at once, how many ids were given out, how long ids last, how often someone appears away
from the picture's rim under a new id where an id was lost a moment ago (a break), and how often an id leaps farther
between two frames than anyone can move (a jump).

`python tests/bench/crossings.py CLIP --moments` compares ids before and after the crossings that `crossings.toml` knows
in a clip of this name.
"""

import argparse
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import bodylens

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "blazepose-lite, 6": ("blazepose-lite", {"max_poses": 6}),
    "blazepose-full, 6": ("blazepose-full", {"max_poses": 6}),
    "multipose, boxes": ("movenet-multipose", {}),
    "multipose, keypoints": ("movenet-multipose", {"tracker_type": "keypoint"}),
    "posenet": ("posenet-075", {}),
    "bodypix": ("bodypix-050", {}),
}
RIM = 0.05  # of the picture's sides: whoever appears there came in
MOMENT = 1.0  # seconds
BRISK = 1.0  # body heights in a frame: nobody moves so far
TALL = 480  # pixels: a crop is enlarged to this height
NEAR = 0.2  # body heights: farther from where an eye sees someone, it is somebody else
TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")

Crop = tuple[int, int, int, int]


def middles(people: bodylens.People) -> np.ndarray:
    """Give the middles of the boxes, (n, 2)."""
    return people.boxes[:, :2] + people.boxes[:, 2:] / 2


def trunks(people: bodylens.People) -> np.ndarray:
    """Give the middles of the trunks, (n, 2)."""
    return people.keypoints[:, [people.names.index(name) for name in TRUNK], :2].mean(axis=1)


def watched(
    clip: str, first: int, end: int, crop: Crop | None, wide: int | None = None
) -> Iterator[tuple[int, np.ndarray, float, float]]:
    """Go through some frames: their numbers, what of them is looked at, how much that is enlarged, and their times.

    The crop is in pixels of a clip that is so `wide`; None takes the clip's own width.
    """
    for number, (picture, time) in islice(enumerate(bodylens.frames(clip)), first, end):
        scale = 1.0
        if crop is not None:
            larger = picture.shape[1] / wide if wide else 1.0
            x, y, width, height = (round(larger * side) for side in crop)
            enlarged = max(1.0, TALL / height)
            part = picture[y : y + height, x : x + width]
            picture = cv2.resize(part, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_LANCZOS4)
            scale = larger * enlarged
        yield number, picture, scale, time


def follow(model: str, options: dict[str, Any], clip: str, most: int, crop: Crop | None) -> dict[str, float]:
    """Follow everyone through a clip; gives the counts."""
    detector = bodylens.create_detector(model, **options)
    spans: dict[int, int] = {}
    last: dict[int, tuple[float, np.ndarray]] = {}
    counts, breaks, jumps, before = [], 0, 0, set()
    for _, picture, _, time in watched(clip, 0, most, crop):
        people = detector.estimate(picture, time)
        size = np.array(picture.shape[1::-1])
        counts.append(len(people))
        now = dict(zip(people.ids.tolist(), zip(middles(people), people.boxes[:, 3], strict=True), strict=True))
        for who, (at, height) in now.items():
            if who in before and np.linalg.norm(at - last[who][1]) > BRISK * height:
                jumps += 1
            if who not in spans and ((at > RIM * size) & (at < (1 - RIM) * size)).all():
                lost = [t for other, (t, there) in last.items() if other not in now and time - t <= MOMENT
                        and np.linalg.norm(there - at) < height]  # fmt: skip
                breaks += bool(lost)
            spans[who] = spans.get(who, 0) + 1
        last |= {who: (time, at) for who, (at, _) in now.items()}
        before = set(now)
    frames = len(counts)
    return {
        "frames": frames,
        "people": float(np.mean(counts)) if frames else 0.0,
        "most": max(counts, default=0),
        "ids": len(spans),
        "lasting": float(np.median(list(spans.values()))) if spans else 0.0,
        "breaks": breaks,
        "jumps": jumps,
    }


def truth(side: dict[str, dict[str, list[float]]], number: int) -> dict[str, np.ndarray]:
    """Say where everyone is in a frame on one side of a crossing; nobody outside that side's frames."""
    known = sorted((int(frame), places) for frame, places in side.items())
    if not known[0][0] <= number <= known[-1][0]:
        return {}
    frames = [frame for frame, _ in known]
    return {
        name: np.array([np.interp(number, frames, [places[name][axis] for _, places in known]) for axis in (0, 1)])
        for name in known[0][1]
    }


def matched(places: dict[str, np.ndarray], people: bodylens.People, found: np.ndarray, near: float) -> dict[str, int]:
    """Say which id each one whom the eye sees has: the surest within reach, for fragments lie on their persons."""
    ids: dict[str, int] = {}
    for row in np.argsort(-people.scores, kind="stable").tolist():
        left = {name: float(np.linalg.norm(found[row] - at)) for name, at in places.items() if name not in ids}
        name = min(left, key=left.__getitem__, default="")
        if name and left[name] <= near:
            ids[name] = int(people.ids[row])
    return ids


def look(model: str, options: dict[str, Any], momentum: float | None, clip: str, moment: dict[str, Any]) -> str:
    """Follow everyone through a crossing; gives who had which id before and has which after."""
    detector = bodylens.create_detector(model, **options)
    if momentum is not None:
        pipeline: Any = detector.pipeline
        owner = pipeline.identities if hasattr(pipeline, "identities") else pipeline
        owner.tracker = replace(owner.tracker, momentum=momentum, min_nearness=None)
    sides = ("before", "after")
    numbers = sorted(int(frame) for side in sides for frame in moment[side])
    crop = tuple(moment["crop"])
    ids: dict[str, dict[str, list[int]]] = {side: {} for side in sides}
    seen = there = 0
    for number, picture, scale, time in watched(clip, numbers[0], numbers[-1] + 1, crop, moment["wide"]):
        people = detector.estimate(picture, time)
        found = trunks(people) / scale + crop[:2]
        for side in sides:
            places = truth(moment[side], number)
            names = matched(places, people, found, NEAR * moment["height"])
            seen, there = seen + len(names), there + len(places)
            for name, who in names.items():
                ids[side].setdefault(name, []).append(who)
    usual = {side: {name: Counter(of).most_common(1)[0][0] for name, of in ids[side].items()} for side in sides}
    words = []
    for name in dict.fromkeys(name for side in sides for places in moment[side].values() for name in places):
        was, has = (usual[side].get(name) for side in sides)
        words.append(f"{name} {was or '-'}>{has or '-'}")
    return f"{100 * seen / there:5.0f} %  {', '.join(words)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--crop", type=lambda text: tuple(int(part) for part in text.split(",")), help="X,Y,W,H")
    parser.add_argument("--moments", action="store_true")
    arguments = parser.parse_args()
    if arguments.moments:
        listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["moments"]
        for moment in (one for one in listed if one["clip"] == Path(arguments.clip).name):
            print(f"\n{moment['name']}\n{'':36}{'found':>7}  ids before>after")
            for name, (model, options) in SYSTEMS.items():
                for rules, momentum in (("", None), (", no motion", 0.0)):
                    print(f"{name + rules:36}{look(model, options, momentum, arguments.clip, moment)}", flush=True)
        return
    print(f"{'':24}{'frames':>8}{'people':>8}{'most':>6}{'ids':>6}{'frames an id':>14}{'breaks':>8}{'jumps':>7}")
    for name, (model, options) in SYSTEMS.items():
        found = follow(model, options, arguments.clip, arguments.frames, arguments.crop)
        print(
            f"{name:24}{found['frames']:8}{found['people']:8.1f}{found['most']:6}{found['ids']:6}"
            f"{found['lasting']:14.0f}{found['breaks']:8}{found['jumps']:7}",
            flush=True,
        )


if __name__ == "__main__":
    main()
