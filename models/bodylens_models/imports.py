"""A person's own model: an .onnx, a .tflite or a tfjs model.json brought into the cache."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from bodylens_models import store
from bodylens_models.convert import from_onnx, from_tfjs, from_tflite
from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import shard_names
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes import simplify
from bodylens_models.convert.serialize import serialize

# Larger than any network that a browser would load at every visit.
LARGEST_FILE = 1 << 29


@dataclass(frozen=True)
class Imported:
    """What an import gave. path: of the ONNX file; inputs and outputs: shapes by name (None where a size is open)."""

    name: str
    path: Path
    inputs: dict[str, list[int | None]]
    outputs: dict[str, list[int | None]]


def import_file(path: Path, name: str | None = None, size: tuple[int, int] | None = None) -> Imported:
    """Convert the file at `path` if need be, see that it runs, and keep it in the cache as `name`.

    name: by default the file's own. size: (height, width) for a tfjs model that leaves it open. Raises ConversionError
    with one clear sentence; then nothing is kept.
    """
    label = name or re.sub(r"[^a-z0-9]+", "-", (path.parent.name if path.name == "model.json" else path.stem).lower())
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", label):
        raise ConversionError(f"{label!r} is no name for a model: use small letters, digits and hyphens")
    data = _read(path)
    try:
        model = _convert(path, data, size)
    except ConversionError as error:
        raise ConversionError(f"{path.name}: {error}") from error
    inputs, outputs = _run(path.name, model)
    target = store.cache_folder() / "imported" / f"{label}.onnx"
    record = {
        "name": label,
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "inputs": inputs,
        "outputs": outputs,
    }
    store.write(target, model)
    store.write(target.with_suffix(".json"), json.dumps(record).encode())
    return Imported(label, target, inputs, outputs)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConversionError(f"{path.name} is larger than any network for a browser")
        return path.read_bytes()
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror or error}") from error


def _convert(path: Path, data: bytes, size: tuple[int, int] | None) -> bytes:
    graph: Graph
    if path.suffix == ".onnx":
        from_onnx.load(data)
        return data
    if path.suffix == ".tflite":
        graph = from_tflite.convert(data, {})
    elif path.suffix == ".json":
        # Only plain names beside the model file are followed: `shard_names` refuses all others.
        shards = {name: _read(path.parent / name) for name in shard_names(data)}
        graph = from_tfjs.convert(data, shards, {}, size=size)
    else:
        raise ConversionError("a model is an .onnx, a .tflite or a tfjs model.json")
    simplify(graph)
    return serialize(graph)


def _run(name: str, model: bytes) -> tuple[dict[str, list[int | None]], dict[str, list[int | None]]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base class
        raise ConversionError(f"{name} is not a model that onnxruntime can run: {str(error)[:300]}") from error

    def shapes(ends: Iterable[Any]) -> dict[str, list[int | None]]:
        return {end.name: [n if isinstance(n, int) else None for n in end.shape] for end in ends}

    return shapes(session.get_inputs()), shapes(session.get_outputs())
