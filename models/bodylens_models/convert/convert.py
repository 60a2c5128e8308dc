"""From a catalogue entry and its source files to the bytes of an ONNX file."""

from collections.abc import Mapping
from pathlib import Path

from bodylens_models.catalogue.entry import Entry
from bodylens_models.convert import from_checkpoint, from_onnx, from_tfjs, from_tflite
from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes import simplify
from bodylens_models.convert.passes.change_stride import change_stride
from bodylens_models.convert.passes.halve import halve
from bodylens_models.convert.serialize import serialize


def convert(entry: Entry, files: Mapping[str, Path]) -> bytes:
    """Convert the source `files` (by the names of the entry's source) as the entry's reader and options say.

    Raises ConversionError for files that cannot be converted or do not give what the catalogue names.
    """
    if entry.reader not in READERS:
        raise ConversionError(f"{entry.name}: there is no reader called {entry.reader!r}")
    graph = READERS[entry.reader](entry, files)
    simplify(graph)
    if "stride" in entry.options and entry.reader != "tflite" and not entry.options.get("fixed_stride", False):
        change_stride(graph, int(entry.options["stride"]))
    if entry.options.get("compute") == "float16":
        halve(graph)
    _compare(entry, graph)
    metadata = {"model": entry.label, "licence": entry.licence, "credit": entry.credit, "source": entry.source.sha256}
    return serialize(
        graph,
        float16=str(entry.options.get("float16", "exact")),
        metadata=metadata,
        any_size=bool(entry.options.get("any_size", False)),
    )


def _tflite(entry: Entry, files: Mapping[str, Path]) -> Graph:
    data = files[entry.source.files[0].name].read_bytes()
    outputs = {output.name: output.tensor for output in entry.outputs.values()}
    return from_tflite.convert(
        data,
        outputs,
        source_order=_plain(entry),
        exact=bool(entry.options.get("exact", False)),
        spelt_out=bool(entry.options.get("spelt_out", False)),
    )


def _tfjs(entry: Entry, files: Mapping[str, Path]) -> Graph:
    model, *shards = (files[file.name].read_bytes() for file in entry.source.files)
    names = [file.name for file in entry.source.files[1:]]
    outputs = {output.name: output.tensor for output in entry.outputs.values()}
    return from_tfjs.convert(
        model,
        dict(zip(names, shards, strict=True)),
        outputs,
        size=(entry.input.height, entry.input.width),
        source_order=_plain(entry),
        start=entry.options.get("start"),
        mean=entry.options.get("mean"),
        spelt_out=bool(entry.options.get("spelt_out", False)),
    )


def _checkpoint(entry: Entry, files: Mapping[str, Path]) -> Graph:
    content = {name: path.read_bytes() for name, path in files.items()}
    outputs = {output.name: output.tensor for output in entry.outputs.values()}
    return from_checkpoint.convert(content, outputs, size=(entry.input.height, entry.input.width))


def _onnx(entry: Entry, files: Mapping[str, Path]) -> Graph:
    data = files[entry.source.files[0].name].read_bytes()
    outputs = {output.name: output.tensor for output in entry.outputs.values()}
    size = (entry.input.height, entry.input.width)
    return from_onnx.convert(data, outputs, size=size, start=str(entry.options["start"]))


def _plain(entry: Entry) -> set[str]:
    return {output.name for output in entry.outputs.values() if output.order == "source"}


def _compare(entry: Entry, graph: Graph) -> None:
    shapes = {value.name: value.stored_shape for value in [*graph.inputs, *graph.outputs]}
    wanted = {output.name: output.shape for output in entry.outputs.values()} | {entry.input.name: entry.input.shape}
    for name, shape in wanted.items():
        if shapes.get(name) != shape:
            raise ConversionError(f"{entry.label}: {name} is {shapes.get(name)}, the catalogue says {shape}")


READERS = {"tflite": _tflite, "tfjs": _tfjs, "checkpoint": _checkpoint, "onnx": _onnx}
