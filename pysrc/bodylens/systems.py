"""Which system a model's name stands for, and with which options it can be made."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from typing import Any

from bodylens.pipeline import Pipeline

# Where each system is defined. It is imported when one of its models is asked for: a page that runs one system does not
# wait for the others.
SEGMENTERS: dict[str, str] = {
    "selfie-general": "bodylens.selfie:SelfieSegmentation",
    "selfie-landscape": "bodylens.selfie:SelfieSegmentation",
    "blazepose-lite": "bodylens.blazepose:BlazePose",
    "blazepose-full": "bodylens.blazepose:BlazePose",
    "blazepose-heavy": "bodylens.blazepose:BlazePose",
    "bodypix-050": "bodylens.bodypix:BodyPix",
    "bodypix-075-int8": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-050": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-075": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-100": "bodylens.bodypix:BodyPix",
    "bodypix-resnet50": "bodylens.bodypix:BodyPix",
}

DETECTORS: dict[str, str] = {
    "blazepose-lite": "bodylens.blazepose:BlazePose",
    "blazepose-full": "bodylens.blazepose:BlazePose",
    "blazepose-heavy": "bodylens.blazepose:BlazePose",
    "movenet-lightning": "bodylens.movenet:MoveNet",
    "movenet-lightning-int8": "bodylens.movenet:MoveNet",
    "movenet-thunder": "bodylens.movenet:MoveNet",
    "movenet-multipose": "bodylens.movenet:MoveNetMultiPose",
    "posenet-050": "bodylens.posenet:PoseNet",
    "posenet-075": "bodylens.posenet:PoseNet",
    "posenet-075-int8": "bodylens.posenet:PoseNet",
    "posenet-100": "bodylens.posenet:PoseNet",
    "posenet-resnet50": "bodylens.posenet:PoseNet",
    "bodypix-050": "bodylens.bodypix:BodyPix",
    "bodypix-075-int8": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-050": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-075": "bodylens.bodypix:BodyPix",
    "bodypix-mobilenet-100": "bodylens.bodypix:BodyPix",
    "bodypix-resnet50": "bodylens.bodypix:BodyPix",
}

# Whose masks may stand beside another system's poses: see the option `mask_model`.
MASKS = {name: path for name, path in SEGMENTERS.items() if name.startswith("selfie-")}

# Families may be named alone; the type of the model is then an option.
FAMILIES = {"blazepose": "full", "movenet": "lightning", "posenet": "075", "bodypix": "050"}


def make_segmenter(model: str, options: dict[str, Any]) -> Pipeline:
    """Make the pipeline for a model that segments.

    Raises:
        ValueError: no such model.
        TypeError: the system has no such option.

    """
    if "enable_segmentation" in option_names(model):
        options = {"enable_segmentation": True, **options}
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
    path = (SEGMENTERS | DETECTORS).get(_full_name(model, {}))
    return [] if path is None else _options(_system(path))


def segments(model: str) -> bool:
    """Say whether a model's system gives masks of its own."""
    return _full_name(model, {}) in SEGMENTERS


def _full_name(model: str, options: dict[str, Any]) -> str:
    """Give a family its type, which is taken out of the options."""
    return f"{model}-{options.pop('model_type', FAMILIES[model])}" if model in FAMILIES else model


def _system(path: str) -> Callable[..., Pipeline]:
    module, _, name = path.partition(":")
    system: Callable[..., Pipeline] = getattr(import_module(module), name)
    return system


def _options(system: Callable[..., Pipeline]) -> list[str]:
    return [name for name, p in signature(system).parameters.items() if p.kind is p.KEYWORD_ONLY]


def _make(systems: dict[str, str], kind: str, model: str, options: dict[str, Any]) -> Pipeline:
    options = dict(options)
    mask_model = options.pop("mask_model", None)
    if mask_model is not None:
        from bodylens.masked import Masked

        poses = _make(systems, kind, model, options)
        smoothing = bool(options.get("enable_smoothing", True))
        return Masked(poses, _make(MASKS, "model of masks", mask_model, {"smoothing": smoothing}))
    model = _full_name(model, options)
    if model not in systems:
        near = get_close_matches(model, systems, n=3, cutoff=0.4) or list(systems)
        raise ValueError(f"there is no {kind} {model!r}; did you mean {' or '.join(near)}?")
    system = _system(systems[model])
    known = _options(system)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=2, cutoff=0.7)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(known)}"
            raise TypeError(f"{model} has no option {name!r}; {hint}")
    return system(model, **options)
