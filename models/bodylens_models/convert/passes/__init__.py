"""Rewrites of a finished graph that leave its answers as they are and make it faster: one a file."""

from bodylens_models.convert.graph import Graph
from bodylens_models.convert.passes.fold_padding import fold_padding
from bodylens_models.convert.passes.fold_scale import fold_scale
from bodylens_models.convert.passes.narrow_resize import narrow_resize
from bodylens_models.convert.passes.remove_unused import remove_unused


def simplify(graph: Graph) -> None:
    """Apply every rewrite, in the order in which they help each other."""
    remove_unused(graph)
    fold_scale(graph)
    remove_unused(graph)
    fold_padding(graph)
    remove_unused(graph)
    narrow_resize(graph)
    remove_unused(graph)
