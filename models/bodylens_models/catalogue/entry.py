"""What the catalogue knows of one model."""

import copy
import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal


class UnknownModel(ValueError):
    """A name that is not in the catalogue."""


@dataclass(frozen=True)
class SourceFile:
    """One file of the original weights.

    name: what it is called when stored. sha256, bytes: of its content. mirror: path in a mirror folder, or None.
    urls: official addresses. npm: path inside the package's archive, or None.
    """

    name: str
    sha256: str
    bytes: int
    mirror: str | None = None
    urls: tuple[str, ...] = ()
    npm: str | None = None


@dataclass(frozen=True)
class Source:
    """Where the original weights are: files, and the npm package (name@version) that holds them, or None."""

    files: tuple[SourceFile, ...]
    package: str | None = None

    @property
    def sha256(self) -> str:
        """One digest for all files: that of the only one, or of the list of their digests."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return hashlib.sha256("".join(f"{f.sha256}  {f.name}\n" for f in self.files).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Input:
    """The image that the network takes: float32 RGB, NCHW (1, 3, height, width), from low to high.

    padding: "stretch" fills the input with the region whatever its shape; "letterbox" keeps its shape.
    border: what a region shows where it leaves the picture: "zero" is black, "replicate" repeats the picture's rim.
    sampler: "bilinear" takes one bilinear sample for each pixel of the input, whatever the scale, as the originals do;
    "average" takes the mean of as many as the scale asks for.
    """

    name: str
    height: int
    width: int
    low: float
    high: float
    padding: Literal["stretch", "letterbox"]
    layout: str = "NCHW"
    border: Literal["zero", "replicate"] = "zero"
    sampler: Literal["bilinear", "average"] = "average"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(1, 3, height, width)."""
        return (1, 3, self.height, self.width)


@dataclass(frozen=True)
class Output:
    """One output by its meaning. name: in the ONNX file; tensor: in the source; shape of the ONNX tensor.

    order: "NCHW" for images; "source" for a tensor of rank 4 that is none and stays as the source has it.
    """

    name: str
    shape: tuple[int, ...]
    meaning: str
    tensor: str
    order: str = "NCHW"


@dataclass(frozen=True)
class Onnx:
    """The file that the conversion must give."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Entry:
    """One model, or one variant of it. Immutable; read from `catalogue/NAME.toml`.

    together: labels of what a program needs that runs this model in the usual way, what it begins with first.
    """

    name: str
    variant: str | None
    order: int
    title: str
    purpose: str
    system: str
    topology: str
    licence: str
    credit: str
    card: str
    unavailable: str | None
    source: Source
    reader: str
    options: Mapping[str, Any]
    pattern: Mapping[str, int]
    input: Input
    outputs: Mapping[str, Output]
    onnx: Onnx | None
    variants: Mapping[str, str]
    together: tuple[str, ...]
    raw: Mapping[str, Any]

    def as_variant(self, variant: str | None) -> "Entry":
        """This model changed as `variant` says: names of its variants joined by "+"; UnknownModel for others."""
        if not variant:
            return self
        merged: dict[str, Any] = copy.deepcopy(dict(self.raw))
        chosen = variant.split("+")
        for name in chosen:
            if name not in self.variants:
                near = difflib.get_close_matches(name, self.variants, n=2, cutoff=0.5) or list(self.variants)
                there = f"there is {' and '.join(near)}" if near else "it has none"
                raise UnknownModel(f"{self.name} has no variant {name!r}; {there}.")
            merged.pop("onnx", None)
            _merge(merged, copy.deepcopy(self.raw["variants"][name]))
        if len(chosen) > 1:
            merged.pop("onnx", None)
        merged["variant"] = variant
        return parse(merged)

    @property
    def label(self) -> str:
        """The name with its variant: movenet-lightning+heads."""
        return self.name if self.variant is None else f"{self.name}+{self.variant}"


def parse(raw: Mapping[str, Any]) -> Entry:
    """An entry from the content of its TOML file; KeyError or TypeError when something is missing or misspelt."""
    source = raw["source"]
    keep = raw.get("keep")
    outputs = {key: value for key, value in raw["outputs"].items() if keep is None or key in keep}
    return Entry(
        name=raw["name"],
        variant=raw.get("variant"),
        order=raw["order"],
        title=raw["title"],
        purpose=raw["purpose"],
        system=raw["system"],
        topology=raw["topology"],
        licence=raw["licence"],
        credit=raw["credit"],
        card=raw["card"],
        unavailable=raw.get("unavailable"),
        source=Source(
            _files(source),
            source.get("package"),
        ),
        reader=raw["reader"],
        options=raw.get("options", {}),
        pattern=raw.get("pattern", {"modulus": 65536, "shift": 5000}),
        input=Input(**raw["input"]),
        outputs={
            key: Output(
                value.get("name", key),
                _shape(value, raw),
                value["meaning"],
                value.get("tensor", key),
                value.get("order", "NCHW"),
            )
            for key, value in outputs.items()
        },
        onnx=Onnx(**raw["onnx"]) if "onnx" in raw else None,
        variants={name: value["about"] for name, value in raw.get("variants", {}).items()},
        together=tuple(raw.get("together", [raw["name"]])),
        raw=raw,
    )


def _shape(output: Mapping[str, Any], raw: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape as written, or of `planes` on the grid that the input's size and the stride give."""
    if "shape" in output:
        return tuple(output["shape"])
    stride = raw["options"]["stride"]
    rows, columns = (-(-raw["input"][side] // stride) for side in ("height", "width"))
    return (1, output["planes"], rows, columns)


def _files(source: Mapping[str, Any]) -> tuple[SourceFile, ...]:
    """The files one by one, or, of a folder with many, from its list of checksums (lines of sha256, bytes, name)."""
    if "list" not in source:
        return tuple(SourceFile(**{**file, "urls": tuple(file.get("urls", ()))}) for file in source["files"])
    text = resources.files("bodylens_models.catalogue").joinpath(source["list"]).read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines()]
    return tuple(
        SourceFile(name, sha256, int(size), f"{source['mirror']}/{name}", (f"{source['url']}/{name}",))
        for sha256, size, name in rows
    )


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
