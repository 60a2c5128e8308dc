"""Drop what no output needs."""

from bodylens_models.convert.graph import Graph, Node


def remove_unused(graph: Graph) -> None:
    """Drop nodes and constants that no output needs."""
    needed = {value.name for value in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    graph.nodes = kept[::-1]
    graph.constants = {name: array for name, array in graph.constants.items() if name in needed}
