"""How far landmarks below a picture move when its pixels change by one or two in 255, or by a quarter of a pixel.

`python tests/bench/unseen.py` runs BlazePose natively on a portrait that ends at the hips.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import bodylens
from bodylens.native import driver

PICTURE = Path(__file__).parents[1] / "pictures" / "astronaut.jpg"
TRIALS = 8
FACE = 11  # landmarks
RANDOM = np.random.default_rng(0)

crop = driver.crop


def noisy(levels: int) -> Any:
    """Sample as always, then add whole numbers from -levels to levels, of 255."""

    def sample(image: Any, region: Any, width: int, height: int, low: float, high: float, *rest: Any) -> Any:
        pixels = crop(image, region, width, height, low, high, *rest)
        noise = RANDOM.integers(-levels, levels + 1, pixels.shape) * ((high - low) / 255)
        return pixels + noise.astype(np.float32)

    return sample


def aside(image: Any, region: Any, width: int, *rest: Any) -> Any:
    """Sample a quarter of the input's pixel further right."""
    return crop(image, replace(region, x=region.x + 0.25 * region.width / width), width, *rest)


def main() -> None:
    """Print the table."""
    picture = bodylens.read_picture(PICTURE)

    def landmarks(model: str, sample: Any) -> np.ndarray:
        driver.crop = sample
        return bodylens.create_detector(model, static_image_mode=True).estimate(picture).keypoints[0, :, :2]

    print(f"{'pixels, on average (at most)':32}{'face':>16}{'below the picture':>20}")
    for model in ("blazepose-lite", "blazepose-full", "blazepose-heavy"):
        plain = landmarks(model, crop)
        below = plain[:, 1] > picture.shape[0]
        for name, sample in (("1 of 255", noisy(1)), ("2 of 255", noisy(2)), ("a quarter pixel", aside)):
            trials = range(1 if sample is aside else TRIALS)
            off = np.array([np.linalg.norm(landmarks(model, sample) - plain, axis=1) for _ in trials])
            parts = [f"{part.mean():.1f} ({part.max():.1f})" for part in (off[:, :FACE], off[:, below])]
            print(f"{model + ', ' + name:32}{parts[0]:>16}{parts[1]:>20}", flush=True)


if __name__ == "__main__":
    main()
