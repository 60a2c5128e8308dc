"""A tflite file to a graph."""

import re
from collections.abc import Collection, Mapping

from bodylens_models.convert.error import ConversionError

# Each module registers its operators.
from bodylens_models.convert.from_tflite import arithmetic, convolution, image, indexing, shape, sparse  # noqa: F401
from bodylens_models.convert.from_tflite.file import read
from bodylens_models.convert.from_tflite.quantized import settle
from bodylens_models.convert.from_tflite.reader import Reader, add_operators
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.shape import concat, cut
from bodylens_models.convert.value import Value


def convert(
    data: bytes,
    outputs: Mapping[str, str],
    *,
    source_order: Collection[str] = (),
    exact: bool = False,
    opset: int = 12,
    spelt_out: bool = False,
) -> Graph:
    """Convert a tflite file, keeping what `outputs` names: {name in ONNX: tensor in the file}.

    "a|b" joins tensors, one after another along the channels; "a[0:32]" takes some channels of one.

    The input becomes "image" (1, 3, h, w) float32; a quantised one takes the real numbers that its bytes stand for.
    source_order: outputs of rank 4 that are no images and stay as the source has them.
    exact: round between operators where a quantised original does.
    Raises ConversionError, with one clear sentence.
    """
    file = read(data)
    graph = Graph(opset, spelt_out=spelt_out)
    reader = Reader(file, graph, exact=exact)
    if len(file.inputs) != 1:
        raise ConversionError(f"one input is expected, this file has {len(file.inputs)}")
    given = reader.tensor(file.inputs[0])
    if len(given.shape) != 4:
        raise ConversionError(f"an image is expected as input, this file takes {list(given.shape)}")
    reader.values[given.index] = settle(graph, given, graph.input("image", given.shape), exact=exact)
    by_name = {tensor.name: tensor.index for tensor in file.tensors}
    wanted = dict(outputs) or {file.tensors[index].name: file.tensors[index].name for index in file.outputs}
    ends = {name: [_end(part) for part in text.split("|")] for name, text in wanted.items()}
    tensors = {tensor for parts in ends.values() for tensor, _ in parts}
    absent = sorted(tensors - set(by_name))
    if absent:
        raise ConversionError(f"the file has no tensor called {', '.join(absent)}")
    add_operators(reader, tensors)
    for name, parts in ends.items():
        values = [_planes(graph, reader.value(by_name[tensor]), planes) for tensor, planes in parts]
        joined = values[0] if len(values) == 1 else concat(graph, values, -1)
        graph.output(joined, name, channels_first=name not in source_order)
    return graph


def _end(text: str) -> tuple[str, tuple[int, int] | None]:
    match = re.fullmatch(r"(.+)\[(\d+):(\d+)\]", text)
    return (match[1], (int(match[2]), int(match[3]))) if match else (text, None)


def _planes(graph: Graph, value: Value, planes: tuple[int, int] | None) -> Value:
    if planes is None:
        return value
    begin, end = [0] * len(value.shape), list(value.shape)
    begin[-1], end[-1] = planes
    return cut(graph, value, begin, end)
