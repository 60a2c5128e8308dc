"""Who is who in a real clip in which people cross: `python tests/bench/crossings.py CLIP [FRAMES]`.

No truth comes with such a clip. What can be counted without it: how many people are seen at once, how many ids were
given out, how long ids last, how often someone appears away from the picture's rim under a new id where an id was lost
a moment ago (a break), and how often an id leaps farther between two frames than anyone can move (a jump).
"""

import sys
from itertools import islice

import numpy as np

import bodylens

SYSTEMS = {
    "blazepose-lite, 6": ("blazepose-lite", {"max_poses": 6}),
    "blazepose-full, 6": ("blazepose-full", {"max_poses": 6}),
    "multipose, boxes": ("movenet-multipose", {}),
    "multipose, keypoints": ("movenet-multipose", {"tracker_type": "keypoint"}),
}
RIM = 0.05  # of the picture's sides: whoever appears there came in
MOMENT = 1.0  # seconds
BRISK = 1.0  # body heights in a frame: nobody moves so far


def middles(people: bodylens.People) -> np.ndarray:
    """Give the middles of the boxes, (n, 2)."""
    return people.boxes[:, :2] + people.boxes[:, 2:] / 2


def follow(model: str, options: dict, clip: str, most: int) -> dict[str, float]:
    """Follow everyone through a clip; gives the counts."""
    detector = bodylens.create_detector(model, **options)
    spans: dict[int, int] = {}
    last: dict[int, tuple[float, np.ndarray]] = {}
    counts, breaks, jumps, before = [], 0, 0, set()
    for picture, time in islice(bodylens.frames(clip), most):
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


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    print(f"{'':24}{'frames':>8}{'people':>8}{'most':>6}{'ids':>6}{'frames an id':>14}{'breaks':>8}{'jumps':>7}")
    for name, (model, options) in SYSTEMS.items():
        found = follow(model, options, sys.argv[1], most)
        print(
            f"{name:24}{found['frames']:8}{found['people']:8.1f}{found['most']:6}{found['ids']:6}"
            f"{found['lasting']:14.0f}{found['breaks']:8}{found['jumps']:7}",
            flush=True,
        )


if __name__ == "__main__":
    main()
