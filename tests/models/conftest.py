"""What the tests of the models share: pictures, and the table of errors that ends a run."""

import pytest

from pictures import MEDIA, PICTURES, noise, picture

ERRORS = pytest.StashKey[dict[tuple[str, str], tuple[float, float]]]()


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
