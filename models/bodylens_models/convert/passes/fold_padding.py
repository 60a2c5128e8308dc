"""Zeros around an image become the convolution's own padding."""

from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes.links import Links


def fold_padding(graph: Graph) -> None:
    """Let each Conv that reads a Pad of zeros over height and width pad for itself."""
    links = Links(graph)
    for node in graph.nodes:
        if node.op != "Conv":
            continue
        padded = links.maker.get(node.inputs[0])
        if padded is None or padded.op != "Pad":
            continue
        pads = graph.constants[padded.inputs[1]].tolist()
        if len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or graph.constants[padded.inputs[2]].any():
            continue
        own = node.attributes["pads"]
        added = [pads[2], pads[3], pads[6], pads[7]]
        node.attributes["pads"] = [a + b for a, b in zip(own, added, strict=True)]
        node.inputs[0] = padded.inputs[0]
