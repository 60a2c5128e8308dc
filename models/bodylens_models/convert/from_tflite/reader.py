"""The walk over a tflite file: each operator's function is looked up by name and adds to the graph."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.from_tflite import quantized
from bodylens_models.convert.from_tflite.file import DAMAGE, File, Operator, Tensor
from bodylens_models.convert.graph import Graph
from bodylens_models.convert.value import Value


class Reader:
    """One conversion: the file, the graph that it becomes, and which tensor is which value.

    exact: round between operators where the original does.
    """

    def __init__(self, file: File, graph: Graph, *, exact: bool = False) -> None:
        self.exact = exact
        self.file = file
        self.graph = graph
        self.values: dict[int, Value] = {}

    def tensor(self, index: int) -> Tensor:
        """What the file says of a tensor."""
        if not 0 <= index < len(self.file.tensors):
            raise ConversionError(f"an operator lacks an input (tensor {index})")
        return self.file.tensors[index]

    def value(self, index: int) -> Value:
        """The tensor in the graph; constants are brought in when first asked for."""
        if index not in self.values:
            tensor = self.tensor(index)
            if tensor.data is None:
                raise ConversionError(f"tensor {tensor.name or index} is used before it is computed")
            if tensor.sparsity is not None:
                raise ConversionError(f"tensor {tensor.name or index} is sparse and used without DENSIFY")
            known = tensor.data if tensor.quantization is None else quantized.real(tensor)
            self.values[index] = self.graph.constant(known)
        return self.values[index]

    def inputs(self, operator: Operator, least: int) -> list[Value | None]:
        """The operator's inputs, None for those left out; ConversionError when there are fewer than `least`."""
        found = [None if index < 0 else self.value(index) for index in operator.inputs]
        if len(found) < least or any(value is None for value in found[:least]):
            raise ConversionError(f"{operator.name} needs {least} inputs")
        return found + [None] * 4

    def first(self, operator: Operator) -> Value:
        """The operator's first input."""
        value = self.inputs(operator, 1)[0]
        assert value is not None
        return value

    def both(self, operator: Operator) -> tuple[Value, Value]:
        """The operator's first two inputs."""
        a, b = self.inputs(operator, 2)[:2]
        assert a is not None
        assert b is not None
        return a, b


Function: TypeAlias = Callable[[Reader, Operator], Value | Sequence[Value]]
OPERATORS: dict[str, Function] = {}


def operator(*names: str) -> Callable[[Function], Function]:
    """Register a function for the operators of these names."""

    def register(function: Function) -> Function:
        for name in names:
            OPERATORS[name] = function
        return function

    return register


def add_operators(reader: Reader, until: set[str] | None = None) -> None:
    """Add every operator of the file to the graph; ConversionError for unknown ones and for shapes that do not fit.

    until: names of tensors after whose computation nothing more is read, for models cut before their end.
    """
    missing = sorted({op.name for op in reader.file.operators} - set(OPERATORS)) if until is None else []
    if missing:
        raise ConversionError(f"no converter for the operators {', '.join(missing)}")
    left = set(until or ())
    for op in reader.file.operators:
        if op.name not in OPERATORS:
            raise ConversionError(f"no converter for the operator {op.name}")
        try:
            result = OPERATORS[op.name](reader, op)
        except ConversionError:
            raise
        except (*DAMAGE, AssertionError) as error:
            raise ConversionError(f"{op.name} could not be converted: {error or type(error).__name__}") from error
        results: list[Value] = [result] if isinstance(result, Value) else list(result)
        if len(results) < len(op.outputs):
            raise ConversionError(f"{op.name} is said to have {len(op.outputs)} outputs")
        for index, value in zip(op.outputs, results, strict=False):
            tensor = reader.tensor(index)
            _compare(tensor, value)
            if op.name not in quantized.MOVES:
                value = quantized.settle(reader.graph, tensor, value, exact=reader.exact)
            reader.values[index] = value
            left.discard(tensor.name)
        if until is not None and not left:
            return


def _compare(tensor: Tensor, value: Value) -> None:
    declared: Any = tensor.shape
    if declared != value.shape:
        raise ConversionError(f"tensor {tensor.name} is declared {list(declared)} but computed {list(value.shape)}")
