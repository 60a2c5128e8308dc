"""A tflite file to a graph."""

from collections.abc import Collection, Mapping

from bodylens_models.convert.error import ConversionError

# Each module registers its operators.
from bodylens_models.convert.from_tflite import arithmetic, convolution, image, shape, sparse  # noqa: F401
from bodylens_models.convert.from_tflite.file import read
from bodylens_models.convert.from_tflite.reader import Reader, add_operators
from bodylens_models.convert.graph import Graph


def convert(
    data: bytes,
    outputs: Mapping[str, str],
    *,
    source_order: Collection[str] = (),
    opset: int = 12,
    spelt_out: bool = False,
) -> Graph:
    """Convert a tflite file, keeping what `outputs` names: {name in ONNX: name of the tensor in the file}.

    The input becomes "image" (1, 3, h, w) float32. Raises ConversionError, with one clear sentence.
    """
    file = read(data)
    graph = Graph(opset, spelt_out=spelt_out)
    reader = Reader(file, graph)
    if len(file.inputs) != 1:
        raise ConversionError(f"one input is expected, this file has {len(file.inputs)}")
    given = reader.tensor(file.inputs[0])
    if len(given.shape) != 4:
        raise ConversionError(f"an image is expected as input, this file takes {list(given.shape)}")
    reader.values[given.index] = graph.input("image", given.shape)
    by_name = {tensor.name: tensor.index for tensor in file.tensors}
    wanted = dict(outputs) or {file.tensors[index].name: file.tensors[index].name for index in file.outputs}
    absent = sorted(set(wanted.values()) - set(by_name))
    if absent:
        raise ConversionError(f"the file has no tensor called {', '.join(absent)}")
    add_operators(reader, set(wanted.values()))
    for name, tensor in wanted.items():
        graph.output(reader.value(by_name[tensor]), name, channels_first=name not in source_order)
    return graph
