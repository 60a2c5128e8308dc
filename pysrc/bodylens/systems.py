"""Which system a model's name stands for, and with which options it can be made."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

from bodylens.blazepose import BlazePose
from bodylens.bodypix import BodyPix
from bodylens.movenet import MoveNet, MoveNetMultiPose
from bodylens.pipeline import Pipeline
from bodylens.posenet import PoseNet
from bodylens.selfie import SelfieSegmentation

SEGMENTERS: dict[str, Callable[..., Pipeline]] = {
    "selfie-general": SelfieSegmentation,
    "selfie-landscape": SelfieSegmentation,
    "blazepose-lite": partial(BlazePose, enable_segmentation=True),
    "blazepose-full": partial(BlazePose, enable_segmentation=True),
    "blazepose-heavy": partial(BlazePose, enable_segmentation=True),
    "bodypix-050": BodyPix,
    "bodypix-075-int8": BodyPix,
}

DETECTORS: dict[str, Callable[..., Pipeline]] = {
    "blazepose-lite": BlazePose,
    "blazepose-full": BlazePose,
    "blazepose-heavy": BlazePose,
    "movenet-lightning": MoveNet,
    "movenet-lightning-int8": MoveNet,
    "movenet-thunder": MoveNet,
    "movenet-multipose": MoveNetMultiPose,
    "posenet-050": PoseNet,
    "posenet-075": PoseNet,
    "posenet-075-int8": PoseNet,
    "bodypix-050": BodyPix,
    "bodypix-075-int8": BodyPix,
}

# Families may be named alone; the type of the model is then an option.
FAMILIES = {"blazepose": "full", "movenet": "lightning", "posenet": "075", "bodypix": "050"}


def make_segmenter(model: str, options: dict[str, Any]) -> Pipeline:
    """Make the pipeline for a model that segments.

    Raises:
        ValueError: no such model.
        TypeError: the system has no such option.

    """
    return _make(SEGMENTERS, "segmenter", model, options)


def make_detector(model: str, options: dict[str, Any]) -> Pipeline:
    """Make the pipeline for a model that finds poses.

    Raises:
        ValueError: no such model.
        TypeError: the system has no such option.

    """
    return _make(DETECTORS, "detector", model, options)


def make_pipeline(model: str, options: dict[str, Any]) -> Pipeline:
    """Make the pipeline for any model: the one that finds poses where a model can do both.

    Raises:
        ValueError: no such model.
        TypeError: the system has no such option.

    """
    return _make(SEGMENTERS | DETECTORS, "system", model, options)


def option_names(model: str) -> list[str]:
    """Name the options of a model's system; none for a model that is not known."""
    system = (SEGMENTERS | DETECTORS).get(model)
    return [] if system is None else _options(system)


def _options(system: Callable[..., Pipeline]) -> list[str]:
    return [name for name, p in signature(system).parameters.items() if p.kind is p.KEYWORD_ONLY]


def _make(systems: dict[str, Callable[..., Pipeline]], kind: str, model: str, options: dict[str, Any]) -> Pipeline:
    if model in FAMILIES:
        options = dict(options)
        model = f"{model}-{options.pop('model_type', FAMILIES[model])}"
    system = systems.get(model)
    if system is None:
        near = get_close_matches(model, systems, n=3, cutoff=0.4) or list(systems)
        raise ValueError(f"there is no {kind} {model!r}; did you mean {' or '.join(near)}?")
    known = _options(system)
    for name in options:
        if name not in known:
            raise TypeError(f"{model} has no option {name!r}; it knows {', '.join(known)}")
    return system(model, **options)
