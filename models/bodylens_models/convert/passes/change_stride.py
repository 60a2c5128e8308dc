"""Another output stride from the same weights: stride of late layers traded for dilation.

A finer grid: the last strided convolution loses its stride, and what follows is dilated, so that every second row and
column of the new answer is the old answer, exactly. A coarser grid: the last convolution that looks at neighbours
takes only every second place, which is the old answer at those places; a true larger stride earlier would need
weights trained for it.
ref: Chen et al. 2017, Rethinking Atrous Convolution for Semantic Image Segmentation, section 3.1
"""

from dataclasses import replace

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.graph import Graph, Node

SAME_SIZE = ("Clip", "Relu", "Add", "Mul", "Sigmoid", "Concat", "Min", "Max")


def change_stride(graph: Graph, stride: int) -> None:
    """Give a chain of convolutions with 1x1 heads the output `stride` (8, 16 or 32).

    Raises ConversionError when the input's sides are not a multiple of the stride plus one (only then is every layer
    padded alike on both sides), or the network is not such a chain.
    """
    _, height, width, _ = graph.inputs[0].shape
    if stride not in (8, 16, 32) or (height - 1) % stride or (width - 1) % stride:
        raise ConversionError(f"an input of {height}x{width} has no output stride of {stride}: sides are n·{stride}+1")
    convolutions = [node for node in graph.nodes if node.op == "Conv"]
    spatial = [node for node in convolutions if node.attributes["kernel_shape"] != [1, 1]]
    if not spatial or any(node.op not in ("Conv", *SAME_SIZE) for node in graph.nodes):
        raise ConversionError("the stride of this network cannot be changed: it is no chain of convolutions")
    now = int(np.prod([node.attributes["strides"][0] for node in convolutions]))
    while now > stride:
        last = max(i for i, node in enumerate(spatial) if node.attributes["strides"] == [2, 2])
        spatial[last].attributes["strides"] = [1, 1]
        for node in spatial[last + 1 :]:
            node.attributes["dilations"] = [2 * d for d in node.attributes["dilations"]]
        now //= 2
    while now < stride:
        last = max(i for i, node in enumerate(spatial) if node.attributes["strides"] == [1, 1])
        spatial[last].attributes["strides"] = [2, 2]
        now *= 2
    for node in spatial:
        around = [
            (k - 1) * d // 2 for k, d in zip(node.attributes["kernel_shape"], node.attributes["dilations"], strict=True)
        ]
        node.attributes["pads"] = around * 2
    _measure(graph)


def _measure(graph: Graph) -> None:
    """Work out the shapes anew."""
    for node in graph.nodes:
        value = graph.values[node.outputs[0]]
        n, _, _, c = value.shape
        _, h, w, _ = graph.values[next(name for name in node.inputs if name in graph.values)].shape
        if node.op == "Conv":
            h, w = (_out(size, node, axis) for axis, size in enumerate((h, w)))
        graph.values[node.outputs[0]] = replace(value, shape=(n, h, w, c))
    graph.outputs = [graph.values[value.name] for value in graph.outputs]


def _out(size: int, node: Node, axis: int) -> int:
    attributes = node.attributes
    reach = (attributes["kernel_shape"][axis] - 1) * attributes["dilations"][axis] + 1
    padded = size + attributes["pads"][axis] + attributes["pads"][axis + 2]
    return int((padded - reach) // attributes["strides"][axis] + 1)
