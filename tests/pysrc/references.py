"""Pictures and reference results that are not part of the project; tests without them are skipped."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

MEDIA = Path(os.environ.get("BODYLENS_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
MIRROR = Path(os.environ.get("BODYLENS_MIRROR", Path(__file__).parents[3] / "shared" / "models"))

with_media = pytest.mark.skipif(
    not (MEDIA / "three_people.jpg").is_file(),
    reason="needs the reference pictures of tfjs-models; set BODYLENS_MEDIA to a folder that holds them",
)
with_mirror = pytest.mark.skipif(
    not (MIRROR / "bodypix_mobilenet_v1_050_stride16.onnx").is_file(),
    reason="needs weights that no public package holds; set BODYLENS_MIRROR to a folder that holds them",
)


def read(name):
    """A reference picture, (h, w, 3) RGB or (h, w, 4) RGBA."""
    image = cv2.imread(str(MEDIA / name), cv2.IMREAD_UNCHANGED)
    return np.ascontiguousarray(image[..., [2, 1, 0, 3]] if image.shape[2] == 4 else image[..., ::-1])


def three_people():
    """The reference masks of three_people.jpg: person (h, w) bool, parts (h, w) int32 with -1 for none."""
    person = read("three_people_binary_segmentation.png")[..., 3] > 127
    parts = read("three_people_colored_segmentation.png")
    return person, np.where(parts[..., 3] > 127, parts[..., 0], np.int32(-1)).astype(np.int32)
