"""Anchors against MediaPipe's golden files, and the pose detector's own."""

import json
from pathlib import Path

import numpy as np
import pytest

from bodylens.anchors import make_anchors

MEDIA = Path(__file__).parents[2].parent / "shared" / "media"


@pytest.mark.parametrize(
    ("golden", "arguments"),
    [
        (
            "anchor_golden_file_0.json",
            {
                "width": 256, "height": 256, "strides": [8, 16, 32, 32, 32], "min_scale": 0.1171875, "max_scale": 0.75,
                "fixed_size": True,
            },
        ),
        (
            "anchor_golden_file_1.json",
            {
                "width": 300, "height": 300, "strides": [16, 32, 64, 128, 256, 512], "min_scale": 0.2,
                "max_scale": 0.95, "aspect_ratios": [1.0, 2.0, 0.5, 3.0, 0.3333], "reduce_lowest": True,
            },
        ),
    ],
    ids=["face detector", "original SSD"],
)  # fmt: skip
def test_they_equal_mediapipes_golden_files(golden, arguments):
    path = MEDIA / golden
    if not path.exists():
        pytest.skip(f"{golden}, of MediaPipe's own tests, is not here")
    want = np.array(json.loads(path.read_text()))
    np.testing.assert_allclose(make_anchors(**arguments), want, atol=1e-5)


def test_a_single_layer_lies_in_the_middle_of_its_scales():
    anchors = make_anchors(64, 32, [32], min_scale=0.2, max_scale=0.6, interpolated_aspect_ratio=0)
    np.testing.assert_allclose(anchors, [[0.25, 0.5, 0.4, 0.4], [0.75, 0.5, 0.4, 0.4]], rtol=1e-6)
