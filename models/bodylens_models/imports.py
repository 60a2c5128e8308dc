"""A person's own model: an .onnx, a .tflite or a tfjs model.json brought into the cache.

Under the name of a model of the catalogue whose weights cannot be fetched, its original file becomes that model, with
all variants that follow from it.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from bodylens_models import catalogue, store
from bodylens_models.catalogue.entry import Entry, Source, SourceFile
from bodylens_models.convert import from_onnx, from_tfjs, from_tflite
from bodylens_models.convert.convert import convert
from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import shard_names
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes import simplify
from bodylens_models.convert.serialize import serialize
from bodylens_models.trial import try_out

# Larger than any network that a browser would load at every visit.
LARGEST_FILE = 1 << 29


@dataclass(frozen=True)
class Imported:
    """What an import gave. path: of the ONNX file; inputs and outputs: shapes by name (None where a size is open).

    ready: of a model of the catalogue, it and its variants that were made from the file, by their labels.
    """

    name: str
    path: Path
    inputs: dict[str, list[int | None]]
    outputs: dict[str, list[int | None]]
    ready: tuple[str, ...] = ()


def import_file(path: Path, name: str | None = None, size: tuple[int, int] | None = None) -> Imported:
    """Convert the file at `path` if need be, see that it runs, and keep it in the cache as `name`.

    name: by default the file's own; that of a model of the catalogue whose weights cannot be fetched makes it ready.
    size: (height, width) for a tfjs model that leaves it open; of a model of the catalogue the catalogue says it.
    Raises ConversionError with one clear sentence; then nothing is kept.
    """
    label = name or re.sub(r"[^a-z0-9]+", "-", (path.parent.name if path.name == "model.json" else path.stem).lower())
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", label):
        raise ConversionError(f"{label!r} is no name for a model: use small letters, digits and hyphens")
    if label in catalogue.entries() and catalogue.entry(label).unavailable:
        return _fill(catalogue.entry(label), path)
    data = _read(path)
    try:
        model = _convert(path, data, size)
        inputs, outputs = try_out(model)
    except ConversionError as error:
        raise ConversionError(f"{path.name}: {error}") from error
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


def _fill(entry: Entry, path: Path) -> Imported:
    """Make a model of the catalogue, and each variant that follows from this file, out of it."""
    try:
        if path.suffix != ".json":
            raise ConversionError(f"{entry.name} is made from its official model.json and the files beside it")
        files = {name: path.parent / name for name in [path.name, *shard_names(_read(path))]}
        contents = {name: _read(file) for name, file in files.items()}
        source = Source(
            tuple(SourceFile(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in contents.items())
        )
        chosen = [one for one in _every(entry) if _follows(one, contents)]
        if not chosen:
            raise ConversionError(f"{entry.name} has no variant with this file's output stride")
        made = [(one, convert(replace(one, source=source), files)) for one in chosen]
        inputs, outputs = try_out(made[0][1])
        paths = [store.keep(one, model) for one, model in made]
    except ConversionError as error:
        raise ConversionError(f"{path.name}: {error}") from error
    return Imported(chosen[0].label, paths[0], inputs, outputs, tuple(one.label for one in chosen))


def _every(entry: Entry) -> list[Entry]:
    """List a model and its variants, those of other strides also at any size."""
    names = [*entry.variants]
    if "any-size" in names:
        names += [f"{name}+any-size" for name in names if name.startswith("stride")]
    return [entry, *map(entry.as_variant, names)]


def _follows(entry: Entry, contents: dict[str, bytes]) -> bool:
    """Say whether a variant can be made from a file: not where its stride is fixed and another one."""
    if not entry.options.get("fixed_stride", False):
        return True
    model, *_ = contents.values()
    (key, output), *_ = entry.outputs.items()
    size = (entry.input.height, entry.input.width)
    return from_tfjs.convert(model, contents, {key: output.tensor}, size=size).outputs[0].stored_shape == output.shape


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConversionError(f"{path.name} is larger than any network for a browser")
        return path.read_bytes()
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror or error}") from error


def _convert(path: Path, data: bytes, size: tuple[int, int] | None) -> bytes:
    """Convert a file to ONNX; whatever a damaged one makes the converter stumble over is a ConversionError."""
    try:
        return _convert_whole(path, data, size)
    except ConversionError as error:
        raise ConversionError(" ".join(str(error).split())) from error
    except Exception as error:  # onnx and protobuf have errors of their own, without a common class
        what = " ".join(str(error).split())[:200]
        raise ConversionError(f"the file is damaged: {type(error).__name__}{what and ': ' + what}") from error


def _convert_whole(path: Path, data: bytes, size: tuple[int, int] | None) -> bytes:
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
