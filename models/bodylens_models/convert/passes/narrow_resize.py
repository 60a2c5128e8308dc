"""A 1x1 convolution that narrows an image goes before the enlargement that feeds it.

Linear interpolation mixes pixels with weights that sum to one and a 1x1 convolution mixes channels, so the two may
change places; the convolution then sees a quarter of the pixels and the enlargement fewer channels.
"""

from dataclasses import replace

from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes.links import Links


def narrow_resize(graph: Graph) -> None:
    """Exchange each Resize with the 1x1 Conv that alone uses it, where that means less work."""
    links = Links(graph)
    for conv in list(graph.nodes):
        if conv.op != "Conv" or conv.attributes["kernel_shape"] != [1, 1] or conv.attributes["group"] != 1:
            continue
        if conv.attributes["strides"] != [1, 1] or any(conv.attributes["pads"]):
            continue
        resize = links.maker.get(conv.inputs[0])
        if resize is None or resize.op != "Resize" or links.only_user(conv.inputs[0]) is not conv:
            continue
        before, between, after = resize.inputs[0], conv.inputs[0], conv.outputs[0]
        small, large = graph.values[before], graph.values[after]
        if small.size >= graph.values[between].size and large.shape[-1] >= small.shape[-1]:
            continue
        narrow = replace(large, name=between, shape=(*small.shape[:3], large.shape[3]))
        conv.inputs[0], conv.outputs, resize.inputs[0], resize.outputs = before, [between], between, [after]
        graph.values[between] = narrow
        graph.nodes.remove(resize)
        graph.nodes.insert(graph.nodes.index(conv) + 1, resize)
        links = Links(graph)
