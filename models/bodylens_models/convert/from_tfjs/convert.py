"""A tfjs graph model to a graph."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bodylens_models.convert.error import ConversionError

# Each module registers its operators.
from bodylens_models.convert.from_tfjs import arithmetic, convolution, image, indexing, shape  # noqa: F401
from bodylens_models.convert.from_tfjs.file import File, read
from bodylens_models.convert.from_tfjs.reader import Reader, add_nodes, needed
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.operators.elementwise import binary
from bodylens_models.convert.operators.shape import concat


def convert(
    model: bytes,
    shards: Mapping[str, bytes],
    outputs: Mapping[str, str],
    *,
    size: tuple[int, int] | None = None,
    start: str | None = None,
    mean: Sequence[float] | None = None,
    source_order: Collection[str] = (),
    opset: int = 12,
    spelt_out: bool = False,
) -> Graph:
    """Convert a tfjs graph model, keeping what `outputs` names: {name in ONNX: node, node:number, or "a|b" joined}.

    The input becomes "image" (1, 3, h, w) float32. size: (height, width) where the file leaves it open, or in place
    of what it says. start: the node whose output becomes the input, where the graph's own preparation is left out.
    mean: of each colour, where the graph expects that its caller has subtracted it; then that is done here.
    Several nodes joined by "|" become one output, one after another along the channels.
    source_order: outputs of rank 4 that are no images and stay as the source has them.
    Raises ConversionError, with one clear sentence.
    """
    file = read(model, shards)
    graph = Graph(opset, spelt_out=spelt_out)
    reader = Reader(file, graph)
    wanted = dict(outputs) or {name: f"{node}:{number}" for name, (node, number) in file.outputs.items()}
    ends = {name: [_end(part) for part in text.split("|")] for name, text in wanted.items()}
    first, dims = _input(file)
    if len(dims) != 4:
        raise ConversionError(f"an image is expected as input, this model takes {dims}")
    if size is not None:
        dims[1:3] = size
    if min(dims[1:]) < 1:
        raise ConversionError("this model leaves its input size open: say which it shall have")
    picture = graph.input("image", (1, *dims[1:]), np.float32)
    if mean is not None:
        picture = binary(graph, "Sub", picture, graph.constant(mean, np.float32))
    reader.values[start or first] = [picture]
    add_nodes(reader, needed(file, [node for parts in ends.values() for node, _ in parts], [start or first]))
    for name, parts in ends.items():
        values = [reader.value(part) for part in parts]
        graph.output(
            values[0] if len(values) == 1 else concat(graph, values, -1), name, channels_first=name not in source_order
        )
    return graph


def _end(text: str) -> tuple[str, int]:
    node, _, number = text.partition(":")
    return node, int(number or 0)


def _input(file: File) -> tuple[str, list[int]]:
    found = [node for node in file.nodes.values() if node.op == "Placeholder"]
    if len(found) != 1:
        raise ConversionError(f"one input is expected, this model has {len(found)}")
    dims: Sequence[int] = found[0].attributes.get("shape") or []
    return found[0].name, list(dims)
