"""What the tests of the models share: pictures, and the table of errors that ends a run."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodylens_models.catalogue.entry import Input

PICTURES = Path(__file__).parent.parent / "pictures"
# Larger test pictures that are not part of the project lie beside it, or where this says.
MEDIA = Path(os.environ.get("BODYLENS_MEDIA", PICTURES.parents[2] / "shared" / "media"))
ERRORS = pytest.StashKey[dict[tuple[str, str], tuple[float, float]]]()


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


@pytest.fixture(params=["noise", "astronaut", "portrait.jpg", "pose.jpg"])
def image_for(request):
    """A function from a model's input to an image for it."""
    if request.param == "noise":
        return noise
    path = PICTURES / "astronaut.jpg" if request.param == "astronaut" else MEDIA / request.param
    if not path.exists():
        pytest.skip(f"{path.name} is not part of the project; set BODYLENS_MEDIA to the folder that holds it")
    return lambda given: picture(path, given)


@pytest.fixture
def errors(request):
    """A function that notes how far an output is from its oracle, for the table at the end."""
    table = request.config.stash.setdefault(ERRORS, {})

    def note(model: str, output: str, error: float, reach: float) -> None:
        before = table.get((model, output), (0.0, 0.0))
        table[(model, output)] = (max(before[0], error), max(before[1], reach))

    return note


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash.get(ERRORS, {})
    if table:
        terminalreporter.section("largest difference from the original runtime")
        for (model, output), (error, reach) in sorted(table.items()):
            terminalreporter.write_line(f"{model:36} {output:24} {error:10.2e}   of a range of {reach:.4g}")
