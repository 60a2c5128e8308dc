"""A factor or an offset for each channel becomes part of the convolution before it (batch normalisation, mostly)."""

import numpy as np

from bodylens_models.convert.graph import Graph, Node
from bodylens_models.convert.passes.links import Links
from bodylens_models.convert.value import Array

# Which axis of the weights counts the output channels.
CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1}


def fold_scale(graph: Graph) -> None:
    """Fold Mul and Add with a constant for each channel into the convolution that alone feeds them."""
    links = Links(graph)
    for node in list(graph.nodes):
        if node.op not in ("Mul", "Add"):
            continue
        for image, other in (node.inputs, node.inputs[::-1]):
            conv = links.maker.get(image)
            if conv is None or conv.op not in CHANNEL_AXIS or other not in graph.constants:
                continue
            amount = _for_each_channel(
                graph.constants[other], graph.constants[conv.inputs[1]].shape[CHANNEL_AXIS[conv.op]]
            )
            if amount is None or links.only_user(image) is not node:
                continue
            _fold(graph, conv, node.op, amount)
            # The convolution now makes what the folded node made.
            conv.outputs = list(node.outputs)
            graph.nodes.remove(node)
            links.maker[node.outputs[0]] = conv
            break


def _for_each_channel(array: Array, channels: int) -> Array | None:
    if array.size == 1:
        return np.full(channels, array.reshape(()), np.float32)
    if array.size == channels and array.ndim >= 3 and array.shape[-3] == channels:
        return array.reshape(channels)
    return None


def _fold(graph: Graph, conv: Node, op: str, amount: Array) -> None:
    weights = graph.constants[conv.inputs[1]]
    axis = CHANNEL_AXIS[conv.op]
    bias = graph.constants[conv.inputs[2]] if len(conv.inputs) > 2 else np.zeros(weights.shape[axis], np.float32)
    if op == "Mul":
        conv.inputs[1] = graph.stored(
            graph.constant(weights * np.expand_dims(amount, [i for i in range(4) if i != axis]))
        )
        bias = bias * amount
    else:
        bias = bias + amount
    conv.inputs[2:] = [graph.stored(graph.constant(bias))] if bias.any() else []
