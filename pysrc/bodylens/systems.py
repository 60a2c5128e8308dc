"""Which system a model's name stands for, and with which options it can be made."""

from collections.abc import Callable
from difflib import get_close_matches
from inspect import signature
from typing import Any

from bodylens.pipeline import Pipeline
from bodylens.selfie import SelfieSegmentation

SEGMENTERS: dict[str, Callable[..., Pipeline]] = {
    "selfie-general": SelfieSegmentation,
    "selfie-landscape": SelfieSegmentation,
}


def make_segmenter(model: str, options: dict[str, Any]) -> Pipeline:
    """Make the pipeline for a model that segments.

    Raises:
        ValueError: no such model.
        TypeError: the system has no such option.

    """
    return _make(SEGMENTERS, "segmenter", model, options)


def _make(systems: dict[str, Callable[..., Pipeline]], kind: str, model: str, options: dict[str, Any]) -> Pipeline:
    system = systems.get(model)
    if system is None:
        near = get_close_matches(model, systems, n=3, cutoff=0.4) or list(systems)
        raise ValueError(f"there is no {kind} {model!r}; did you mean {' or '.join(near)}?")
    known = [name for name, p in signature(system).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise TypeError(f"{model} has no option {name!r}; it knows {', '.join(known)}")
    return system(model, **options)
