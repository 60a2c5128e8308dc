"""The walk over a tfjs graph: from the wanted outputs back, each operator's function looked up by name."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tfjs.file import DAMAGE, File, Node
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.value import Value


class Reader:
    """One conversion: the file, the graph that it becomes, and what each node has given."""

    def __init__(self, file: File, graph: Graph) -> None:
        self.file = file
        self.graph = graph
        self.values: dict[str, list[Value]] = {}

    def value(self, end: tuple[str, int]) -> Value:
        """Output `end[1]` of the node `end[0]`."""
        name, number = end
        if name not in self.values:
            raise ConversionError(f"the node {name} is used before it is computed")
        results = self.values[name]
        if not 0 <= number < len(results):
            raise ConversionError(f"the node {name} has no output {number}")
        return results[number]

    def inputs(self, node: Node, least: int = 1) -> list[Value]:
        """All inputs of a node; ConversionError when there are fewer than `least`."""
        found = [self.value(end) for end in node.inputs]
        if len(found) < least:
            raise ConversionError(f"{node.op} needs {least} inputs, {node.name} has {len(found)}")
        return found

    def numbers(self, value: Value, what: str) -> list[int]:
        """A constant tensor as a list of integers."""
        return [int(n) for n in value.constant(what).reshape(-1)]


Function: TypeAlias = Callable[[Reader, Node], Value | Sequence[Value]]
OPERATORS: dict[str, Function] = {}


def operator(*names: str) -> Callable[[Function], Function]:
    """Register a function for the operators of these names."""

    def register(function: Function) -> Function:
        for name in names:
            OPERATORS[name] = function
        return function

    return register


def needed(file: File, ends: Iterable[str], given: Iterable[str]) -> list[Node]:
    """The nodes that lead to `ends`, in an order in which they can be computed; nothing leads to those `given`.

    Raises ConversionError for nodes that are not there and for circles.
    """
    order: list[Node] = []
    state = dict.fromkeys(given, 2)
    stack = [(name, False) for name in ends]
    while stack:
        name, leaving = stack.pop()
        if leaving:
            state[name] = 2
            order.append(file.nodes[name])
            continue
        if state.get(name) == 2:
            continue
        if state.get(name) == 1:
            raise ConversionError(f"the tfjs model is damaged: the node {name} feeds itself")
        if name not in file.nodes:
            raise ConversionError(f"the tfjs model has no node called {name}")
        state[name] = 1
        stack.append((name, True))
        for source, _ in file.nodes[name].inputs:
            if state.get(source) == 1:
                raise ConversionError(f"the tfjs model is damaged: the node {source} feeds itself")
            if state.get(source) != 2:
                stack.append((source, False))
    return order


def add_nodes(reader: Reader, nodes: Sequence[Node]) -> None:
    """Add nodes, in order, to the graph; ConversionError for unknown operators and shapes that do not fit."""
    missing = sorted({node.op for node in nodes} - set(OPERATORS) - {"Const"})
    if missing:
        raise ConversionError(f"no converter for the operators {', '.join(missing)}")
    for node in nodes:
        if node.op == "Const":
            if node.name not in reader.file.weights:
                raise ConversionError(f"the constant {node.name} has no weights")
            reader.values[node.name] = [reader.graph.constant(reader.file.weights[node.name])]
            continue
        try:
            # Overflow in an absurd file is an error of the file, not a warning of ours.
            with np.errstate(all="ignore"):
                result = OPERATORS[node.op](reader, node)
        except ConversionError:
            raise
        except (*DAMAGE, AssertionError, RuntimeError) as error:
            raise ConversionError(f"{node.op} ({node.name}) could not be converted: {str(error)[:200]}") from error
        reader.values[node.name] = [result] if isinstance(result, Value) else list(result)
