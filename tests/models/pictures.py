"""Pictures as networks take them."""

import os
from pathlib import Path

import cv2
import numpy as np

from bodylens_models.catalogue.entry import Input

PICTURES = Path(__file__).parent.parent / "pictures"
# Larger test pictures that are not part of the project lie beside it, or where this says.
MEDIA = Path(os.environ.get("BODYLENS_MEDIA", PICTURES.parents[2] / "shared" / "media"))


def picture(path, given: Input):
    """A picture stretched to a model's input: (1, 3, h, w) float32 from low to high."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, f"{path} cannot be read"
    image = cv2.resize(image, (given.width, given.height), interpolation=cv2.INTER_AREA)[..., ::-1]
    return (given.low + (given.high - given.low) * (image.astype(np.float32) / 255)).transpose(2, 0, 1)[None].copy()


def noise(given: Input):
    """Random numbers as a model's input."""
    values = np.random.default_rng(7).random(given.shape, dtype=np.float32)
    return given.low + (given.high - given.low) * values
