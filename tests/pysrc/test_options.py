"""What every option of every system takes and refuses, found out from the systems themselves."""

from importlib import import_module
from inspect import signature
from typing import Any, get_args

import numpy as np
import pytest

from bodylens import People, draw
from bodylens.frame import Frame
from bodylens.limb_parts import capsules
from bodylens.options import choice, number, whole
from bodylens.systems import DETECTORS, SEGMENTERS, make_pipeline
from bodylens.topology import COCO
from bodylens.tracker import Tracker, iou

# One model of each system, and each of its options.
MODELS = {path: model for model, path in (SEGMENTERS | DETECTORS).items()}
OPTIONS = [
    pytest.param(model, name, parameter, id=f"{model}-{name}")
    for path, model in MODELS.items()
    for name, parameter in signature(getattr(import_module(path.split(":")[0]), path.split(":")[1])).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
]

NOT_A_NUMBER = [float("nan"), float("inf"), -float("inf"), "1", [], {}, True, np.True_, 1j]


def kinds(parameter: Any) -> tuple[Any, ...]:
    """Say what types an option is declared to take."""
    return get_args(parameter.annotation) or (parameter.annotation,)


def refused(model: str, parameter: Any) -> list[Any]:
    """Say what an option of such a type must refuse."""
    types = kinds(parameter)
    if types == (bool,):
        return ["no", "false", 2, 0.5, float("nan"), None]
    wrong = [-1e9, "no such word", [[]]]
    if int in types or float in types:
        wrong += NOT_A_NUMBER
    if int in types:
        wrong += [2.5, 1e-9]
    if type(None) not in types:
        wrong.append(None)
    return wrong


@pytest.mark.parametrize(("model", "name", "parameter"), OPTIONS)
def test_an_option_refuses_what_is_not_its_kind_in_one_sentence_that_names_it(model, name, parameter):
    for value in refused(model, parameter):
        with pytest.raises(ValueError, match=rf"^{name} must be ") as raised:
            make_pipeline(model, {name: value})
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("model", "name", "parameter"), OPTIONS)
def test_an_option_takes_its_default_as_any_kind_of_number(model, name, parameter):
    if isinstance(parameter.default, bool):
        alike = [np.bool_(parameter.default), int(parameter.default), float(parameter.default)]
    elif isinstance(parameter.default, int):
        alike = [float(parameter.default), np.int64(parameter.default), np.float32(parameter.default)]
    elif isinstance(parameter.default, float):
        alike = [np.float64(parameter.default)]
    else:
        alike = [parameter.default]
    for value in alike:
        make_pipeline(model, {name: value})


@pytest.mark.parametrize(
    ("model", "given", "attribute", "kept"),
    [
        ("posenet-075", {"max_detections": 7.0}, "most", 7),
        ("posenet-075", {"refine_steps": 0.0}, "refine_steps", 0),
        ("posenet-075", {"output_stride": 8.0}, "stride", 8),
        ("posenet-075", {"input_resolution": 257.0}, "resolution", (257, 257)),
        ("posenet-075", {"input_resolution": [513.0, 289]}, "resolution", (513, 289)),
        ("bodypix-050", {"refine_steps": 3.0}, "refine_steps", 3),
        ("bodypix-050", {"internal_resolution": 1}, "resolution", 1.0),
        ("blazepose-full", {"max_poses": 2.0}, "max_poses", 2),
        ("movenet-multipose", {"max_poses": np.float64(2)}, "max_poses", 2),
        ("movenet-multipose", {"multi_pose_max_dimension": 512.0}, "longest", 512),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(model, given, attribute, kept):
    value = getattr(make_pipeline(model, given), attribute)
    assert (value, type(value)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: whole("n", 2.5, 1, 6), "n must be a whole number from 1 to 6, not 2.5"),
        (lambda: whole("n", 0, 1), "n must be a whole number of at least 1, not 0"),
        (lambda: whole("n", float("inf"), 1), "n must be a whole number of at least 1, not inf"),
        (lambda: number("x", "a" * 99, 0, 1), "x must be a number from 0 to 1, not 'aaaaaaaaaaaa...aaaaaaaaaaaaa'"),
        (lambda: number("x", 0, 0, above=True), "x must be a number above 0, not 0"),
        (lambda: number("x", 0, 0, 1, above=True), "x must be a number above 0 and at most 1, not 0"),
        (lambda: number("x", float("nan")), "x must be a number, not nan"),
        (lambda: number("x", np.zeros((2, 1))), "x must be a number, not array([[0.], [0.]])"),
        (lambda: choice("w", None, ("a", "b")), "w must be a or b, not None"),
    ],
)
def test_the_sentence_says_the_range_and_what_came(ask, message):
    with pytest.raises(ValueError) as raised:
        ask()
    assert str(raised.value) == message


def test_the_sides_of_an_input_are_one_or_two_numbers():
    for value in ((33, 33, 33), [], {}):
        with pytest.raises(ValueError, match="input_resolution must be one number or "):
            make_pipeline("posenet-075", {"input_resolution": value})
    with pytest.raises(ValueError, match="input_resolution must be a whole number from 33 to 2049, not '257,193'"):
        make_pipeline("posenet-075", {"input_resolution": "257,193"})


def test_a_tracker_takes_whole_numbers_only():
    assert Tracker(iou, max_tracks=5.0).max_tracks == 5
    for name, value in (("max_tracks", 2.5), ("max_age", float("nan")), ("min_similarity", "0.2")):
        with pytest.raises(ValueError, match=f"{name} must be a"):
            Tracker(iou, **{name: value})


@pytest.mark.parametrize("falloff", [["0.1"] * 17, [float("nan")] * 17, [float("inf")] * 17, [True] * 17, 3, "0" * 17])
def test_how_far_keypoints_scatter_is_said_in_numbers(falloff):
    with pytest.raises(ValueError, match="keypoint_falloff must be 17 numbers above 0"):
        make_pipeline("movenet-multipose", {"keypoint_falloff": falloff})


def test_many_people_at_most_cost_nothing_until_they_come():
    pipeline = make_pipeline("blazepose-full", {"max_poses": 10**12})
    assert len(next(pipeline.estimate(Frame(0, 0.0, 640, 480)))) == 1


NOBODY = People.none(Frame(0, 0.0, 8, 8), COCO.names)
PICTURE, MASK = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 4), np.uint8)


@pytest.mark.parametrize(
    "ask",
    [
        lambda value: draw.draw_mask(PICTURE, MASK, opacity=value),
        lambda value: draw.pixelate(PICTURE, MASK, cell_width=value),
        lambda value: draw.bokeh(PICTURE, MASK[..., 0], value),
        lambda value: draw.blur_parts(PICTURE, MASK[..., 0], blur=value),
        lambda value: draw.draw_keypoints(PICTURE, NOBODY, radius=value),
        lambda value: draw.draw_skeleton(PICTURE, NOBODY, width=value),
        lambda value: draw.draw_skeleton(PICTURE, NOBODY, min_score=value),
        lambda value: capsules(NOBODY, value),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), -1, "1", None, True], ids=repr)
def test_what_is_drawn_with_is_checked_alike(ask, value):
    with pytest.raises(ValueError, match="must be a number"):
        ask(value)
