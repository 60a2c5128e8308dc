"""A tfjs graph model, read into plain dataclasses and checked.

ref: tfjs-core/src/io/types.ts (ModelJSON, WeightsManifestEntry) and io_utils.ts (decodeWeights)
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import MOST_NODES, checked_shape
from bodylens_models.convert.value import Array

# Shard files are named in the model file; nothing but a plain name is believed.
DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}
QUANTISED = {"float16": np.float16, "uint8": np.uint8, "uint16": np.uint16}
DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Node:
    """One node: operator, inputs as (node, output number), attributes as plain Python values."""

    name: str
    op: str
    inputs: tuple[tuple[str, int], ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class File:
    """A graph model. nodes: by name. weights: by node name. outputs: {name in the signature: (node, output number)}."""

    nodes: Mapping[str, Node]
    weights: Mapping[str, Array]
    outputs: Mapping[str, tuple[str, int]]


def shard_names(model: bytes) -> list[str]:
    """The names of the weight files that a model.json names, in order; ConversionError unless they are plain names."""
    manifest = _json(model).get("weightsManifest", [])
    try:
        names = [path for group in manifest for path in group["paths"]]
    except DAMAGE as error:
        raise ConversionError("the model.json is damaged: its list of weight files cannot be read") from error
    for name in names:
        if not isinstance(name, str) or name != Path(name).name or "\\" in name or name in ("", ".", ".."):
            raise ConversionError(f"the model.json names a weight file outside its folder: {str(name)[:80]!r}")
    return names


def read(model: bytes, shards: Mapping[str, bytes]) -> File:
    """Read a graph model from its model.json and the weight files by name; ConversionError when they do not fit."""
    names = shard_names(model)
    try:
        return _read(_json(model), shards, names)
    except ConversionError:
        raise
    except DAMAGE as error:
        raise ConversionError(f"the tfjs model is damaged: {str(error)[:200] or type(error).__name__}") from error


def _json(model: bytes) -> dict[str, Any]:
    try:
        content = json.loads(model)
    except (ValueError, RecursionError) as error:
        raise ConversionError("this is not a tfjs model.json (it is not JSON)") from error
    if not isinstance(content, dict) or content.get("format", "graph-model") != "graph-model":
        raise ConversionError("this is not a tfjs graph model (layers models are another format)")
    return content


def _read(content: dict[str, Any], shards: Mapping[str, bytes], names: list[str]) -> File:
    missing = [name for name in names if name not in shards]
    if missing:
        raise ConversionError(f"the weight files {', '.join(missing)} are missing")
    listed = content["modelTopology"]["node"]
    if len(listed) > MOST_NODES:
        raise ConversionError("the tfjs model has more operators than any of these networks")
    nodes = {item["name"]: _node(item) for item in listed}
    weights: dict[str, Array] = {}
    for group in content["weightsManifest"]:
        data = b"".join(shards[path] for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            array, at = _weight(entry, data, at)
            weights[entry["name"]] = array
        if at != len(data):
            raise ConversionError(f"the weight files hold {len(data)} bytes where the model.json describes {at}")
    signature = content.get("signature") or content.get("userDefinedMetadata", {}).get("signature") or {}
    outputs = {key: _endpoint(value["name"]) for key, value in signature.get("outputs", {}).items()}
    return File(nodes, weights, outputs)


def _node(item: dict[str, Any]) -> Node:
    for key in ("name", "op"):
        if not isinstance(item[key], str):
            raise ConversionError(f"the tfjs model is damaged: a node's {key} is {str(item[key])[:40]!r}, not a string")
    inputs = tuple(_endpoint(name) for name in item.get("input", []) if not name.startswith("^"))
    attributes = {key: _attribute(value) for key, value in item.get("attr", {}).items()}
    return Node(item["name"], item["op"], inputs, attributes)


def _endpoint(name: str) -> tuple[str, int]:
    node, _, number = name.partition(":")
    return node, int(number or 0)


def _attribute(value: dict[str, Any]) -> Any:
    if "list" in value:
        items = value["list"]
        if "s" in items:
            return [_text(item) for item in items["s"]]
        return [int(item) for item in items.get("i", [])] or [float(item) for item in items.get("f", [])]
    if "s" in value:
        return _text(value["s"])
    if "i" in value:
        return int(value["i"])
    if "b" in value:
        return bool(value["b"])
    if "f" in value:
        return float(value["f"])
    if "shape" in value:
        return [int(dim.get("size", -1)) for dim in value["shape"].get("dim", [])]
    return value.get("type")


def _text(value: Any) -> str:
    # JSON holds bytes as base64; older writers stored a list of character codes.
    if isinstance(value, list):
        return bytes(value).decode()
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ConversionError(f"the tfjs model is damaged: {str(value)[:40]!r} is not base64") from error


def _weight(entry: dict[str, Any], data: bytes, at: int) -> tuple[Array, int]:
    name = entry["name"]
    shape = checked_shape(entry["shape"])
    if entry["dtype"] not in DTYPES:
        raise ConversionError(f"the weight {name} has a type that is not supported ({entry['dtype']})")
    target = np.dtype(DTYPES[entry["dtype"]])
    quantization = entry.get("quantization")
    stored = np.dtype(QUANTISED[quantization["dtype"]]) if quantization else target
    end = at + int(np.prod(shape, dtype=np.int64)) * stored.itemsize
    if end > len(data):
        raise ConversionError(f"the weight {name} of shape {list(shape)} reaches beyond the end of its file")
    array = np.frombuffer(data[at:end], stored).reshape(shape)
    if quantization and stored != np.float16:
        scaled = array * np.float32(quantization["scale"]) + np.float32(quantization["min"])
        array = np.round(scaled) if target == np.int32 else scaled
    return array.astype(target, order="C"), end
