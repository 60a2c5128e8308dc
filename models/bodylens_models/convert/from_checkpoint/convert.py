"""A PoseNet checkpoint to a graph: MobileNetV1 and its heads are built here, the checkpoint holds variables alone.

ref: Papandreou et al. 2018, PersonLab; Howard et al. 2017, MobileNets, table 1 (with the last stride left out, as
PoseNet's 0.50 and 0.75 networks were trained)
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph, checked_shape
from bodylens_models.convert.operators.activation import relu6
from bodylens_models.convert.operators.convolution import conv2d, depthwise_conv2d
from bodylens_models.convert.value import Array, Value

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)


def convert(files: Mapping[str, bytes], outputs: Mapping[str, str], *, size: tuple[int, int]) -> Graph:
    """Build the network of output stride 16 from manifest.json and the variables' files, by name.

    outputs: {name in ONNX: variable's scope, such as "heatmap_2"}. size: (height, width) of the input.
    The input becomes "image" (1, 3, h, w) float32. Raises ConversionError, with one clear sentence.
    """
    manifest = _manifest(files)

    def variable(name: str, rank: int) -> Array:
        entry = manifest.get(f"MobilenetV1/{name}")
        if not isinstance(entry, dict):
            raise ConversionError(f"the checkpoint has no variable {name}")
        try:
            shape, file = checked_shape(entry["shape"]), str(entry["filename"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ConversionError(f"the checkpoint's manifest says nothing useful of {name}") from error
        if len(shape) != rank:
            raise ConversionError(
                f"the checkpoint's variable {name} has the shape {list(shape)}, not one of rank {rank}"
            )
        data = files.get(file)
        if data is None or len(data) != 4 * int(np.prod(shape, dtype=np.int64)):
            raise ConversionError(f"the checkpoint's variable {name} does not have the shape {list(shape)}")
        return np.frombuffer(data, "<f4").astype(np.float32).reshape(shape)

    graph = Graph()
    x = graph.input("image", (1, *size, 3))

    def convolve(x: Value, scope: str, stride: int = 1) -> Value:
        weights, bias = variable(f"{scope}/weights", 4), variable(f"{scope}/biases", 1)
        _compare(scope, weights.shape[2:], (x.shape[3], len(bias)))
        return conv2d(graph, x, np.moveaxis(weights, 3, 0), bias, strides=(stride, stride))

    x = relu6(graph, convolve(x, "Conv2d_0", 2))
    for number, stride in enumerate(STRIDES, start=1):
        name = f"Conv2d_{number}_depthwise"
        weights, bias = variable(f"{name}/depthwise_weights", 4), variable(f"{name}/biases", 1)
        _compare(name, weights.shape[2:], (x.shape[3], 1))
        _compare(name, bias.shape, (x.shape[3],))
        x = relu6(graph, depthwise_conv2d(graph, x, weights, bias, strides=(stride, stride)))
        x = relu6(graph, convolve(x, f"Conv2d_{number}_pointwise"))
    for name, scope in outputs.items():
        graph.output(convolve(x, scope), name)
    return graph


def _compare(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ConversionError(f"the checkpoint's variables of {name} do not fit: {list(found)}, not {list(expected)}")


def _manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        content = json.loads(files["manifest.json"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ConversionError("the checkpoint has no readable manifest.json") from error
    if not isinstance(content, dict):
        raise ConversionError("the checkpoint's manifest.json is not a list of variables")
    return content
