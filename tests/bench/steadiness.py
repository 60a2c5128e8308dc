"""How steady a still person's keypoints are, and how far behind a fast one's: with the real networks, natively.

`python tests/bench/steadiness.py [PICTURE]`. Both clips are made from one picture, so that the truth is known: the
still one has a camera's noise, the fast one slides to and fro. Where a system looks is calmed most of all, so that a
still person's first frame decides it for long: the still clip is followed again from first frames that show the person
a little larger or smaller, and how much the jitter varies with that is chance.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import bodylens

PICTURE = Path(__file__).parents[1] / "pictures" / "astronaut.jpg"
MODELS = ("movenet-lightning", "movenet-thunder", "movenet-multipose", "blazepose-lite", "blazepose-full")
RATE = 30.0
FRAMES = 75
SETTLED = 15
NOISE = 6.0  # standard deviation of a pixel's value, of 255
REACH = 60.0  # pixels to either side
PACE = 1.0  # times to and fro in a second
STARTS = (0.94, 0.97, 1.03, 1.06)  # how large the first frame shows the person


def slide(frame: int) -> float:
    """Where the fast clip's picture is, pixels to the right."""
    return REACH * float(np.sin(2 * np.pi * PACE * frame / RATE))


def clip(picture: np.ndarray, fast: bool) -> list[np.ndarray]:
    """Make a still or a fast clip, each frame with noise of its own."""
    random = np.random.default_rng(0)
    frames = []
    for i in range(FRAMES):
        shift = np.float32([[1, 0, slide(i) if fast else 0], [0, 1, 0]])
        moved = cv2.warpAffine(picture, shift, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.clip(moved + random.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8))
    return frames


def begun(frames: list[np.ndarray], zoom: float) -> list[np.ndarray]:
    """Give the clip with a first frame in which all is `zoom` times as large."""
    height, width = frames[0].shape[:2]
    about = cv2.getRotationMatrix2D((width / 2, height / 2), 0, zoom)
    return [cv2.warpAffine(frames[0], about, (width, height), borderMode=cv2.BORDER_REPLICATE), *frames[1:]]


def follow(model: str, frames: list[np.ndarray], smooth: bool) -> np.ndarray:
    """Give the sure keypoints of every frame, (frames, k, 2)."""
    detector = bodylens.create_detector(model, enable_smoothing=smooth)
    people = [detector.estimate(frame, i / RATE) for i, frame in enumerate(frames)]
    sure = np.mean([p.keypoint_scores[0] for p in people], axis=0) > 0.5
    return np.array([p.keypoints[0, sure, :2] for p in people])[SETTLED:]


def jitter(points: np.ndarray) -> float:
    """How far a keypoint jumps from frame to frame, pixels (root mean square)."""
    return float(np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=-1).mean()))


def lag(points: np.ndarray) -> float:
    """How late the keypoints are, milliseconds: the delay that explains their way best."""
    way = points[..., 0].mean(axis=1)
    times = (np.arange(SETTLED, FRAMES)) / RATE
    delays = np.arange(-50, 300) / 1000
    errors = []
    for delay in delays:
        truth = REACH * np.sin(2 * np.pi * PACE * (times - delay))
        errors.append(np.square(way - way.mean() - (truth - truth.mean())).mean())
    return float(delays[int(np.argmin(errors))] * 1000)


def main() -> None:
    """Print the table."""
    picture = bodylens.read_picture(sys.argv[1] if len(sys.argv) > 1 else PICTURE)
    still, fast = clip(picture, False), clip(picture, True)
    print(
        f"{FRAMES} frames of {picture.shape[1]} × {picture.shape[0]}; speed up to {2 * np.pi * PACE * REACH:.0f} px/s"
    )
    print(f"{'':20}{'jitter, px':>38}{'lag, ms':>20}")
    print(f"{'':20}{'smoothed':>12}{'other starts':>16}{'raw':>10}{'smoothed':>12}{'raw':>8}")
    for model in MODELS:
        smooth, raw = jitter(follow(model, still, True)), jitter(follow(model, still, False))
        late, late_raw = lag(follow(model, fast, True)), lag(follow(model, fast, False))
        others = [jitter(follow(model, begun(still, zoom), True)) for zoom in STARTS]
        varied = f"{min(others):.3f}-{max(others):.3f}"
        print(f"{model:20}{smooth:12.3f}{varied:>16}{raw:10.3f}{late:12.0f}{late_raw:8.0f}", flush=True)


if __name__ == "__main__":
    main()
