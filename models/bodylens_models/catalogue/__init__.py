"""The catalogue: one readable TOML file a model, read into `Entry`."""

import difflib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources

from bodylens_models.catalogue.entry import Entry, UnknownModel, parse

__all__ = ["Entry", "UnknownModel", "entries", "entry", "together"]


@cache
def _read() -> dict[str, Entry]:
    folder = resources.files("bodylens_models.catalogue")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    found = [parse(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    return {item.name: item for item in sorted(found, key=lambda item: item.order)}


def entries() -> dict[str, Entry]:
    """Every model by its name, in the catalogue's order."""
    return dict(_read())


def entry(name: str, variant: str | None = None) -> Entry:
    """The model called `name`, as its `variant` (names joined by "+") if one is given; UnknownModel otherwise."""
    known = _read()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
        raise UnknownModel(f"there is no model called {name!r}; {hint}")
    return known[name].as_variant(variant)


def together(names: Iterable[str]) -> list[str]:
    """Labels of all that is needed to run models: a model's name stands for its usual forms, a label for itself.

    Raises UnknownModel for a name that is not known.
    """
    labels: dict[str, None] = {}
    for text in names:
        name, _, variant = text.partition("+")
        labels |= dict.fromkeys([text] if variant else entry(name).together)
    return list(labels)
