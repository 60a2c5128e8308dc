"""The ONNX graph under construction: nodes, constants, and the order of axes of each tensor.

Sources are NHWC, ONNX is NCHW. Each `Value` remembers how it is stored, and a transpose is written only where an
operator cannot work with what is there; so a plain convolutional network gets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.value import Array, Value

# More than any tensor of the family has: heavy's largest has 4 million elements.
LARGEST_TENSOR = 1 << 26
MOST_NODES = 20_000


@dataclass
class Node:
    """One ONNX node: operator, names of its inputs ("" for none) and outputs, attributes."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


def checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """`shape` as a tuple; ConversionError when a dimension is negative or the tensor is absurdly large."""
    result = tuple(int(n) for n in shape)
    total = 1
    for n in result:
        total *= n
        if n < 0 or total > LARGEST_TENSOR:
            raise ConversionError(f"a tensor of shape {list(result)[:8]} is not one that a pose or mask network has")
    return result


class Graph:
    """Nodes in the order of their computation, with constants by name.

    A name stored by `constants` never changes its content; `stored` gives equal constants one name.
    """

    def __init__(self, opset: int = 12, *, spelt_out: bool = False) -> None:
        self.opset = opset
        # Only operators that the WebGL provider computes rightly; a little longer for the others.
        self.spelt_out = spelt_out
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.values: dict[str, Value] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.reshaped: dict[str, Value] = {}
        # Constants that are whole numbers times a scale: (scale, zero point) by name; the file then stores those.
        self.scales: dict[str, tuple[Array, Array]] = {}
        self._interned: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._layouts: dict[tuple[str, bool], Value] = {}
        self._counts: dict[str, int] = {}

    def input(self, name: str, shape: Sequence[int], dtype: Any = np.float32, *, channels_first: bool = True) -> Value:
        """Declare an input of `shape` (source order); a rank-4 one is stored as NCHW."""
        shape = checked_shape(shape)
        value = Value(name, shape, np.dtype(dtype), channels_first and len(shape) == 4)
        self.inputs.append(value)
        self.values[name] = value
        return value

    def constant(self, data: Any, dtype: Any = None) -> Value:
        """A constant, in the source's order."""
        array = np.ascontiguousarray(np.asarray(data, dtype=dtype)).reshape(np.shape(data))
        return Value("", checked_shape(array.shape), array.dtype, False, array)

    def node(
        self,
        op: str,
        inputs: Sequence[Value | None],
        shape: Sequence[int],
        dtype: Any = None,
        *,
        channels_first: bool = False,
        **attributes: Any,
    ) -> Value:
        """Add a node with one output of `shape` (source order) and return that output.

        dtype: of the output; that of the first input by default. channels_first: how the output is stored.
        A node of constants alone is computed at once. Raises ConversionError for absurd shapes or too many nodes.
        """
        first = inputs[0]
        kind = np.dtype(dtype) if dtype is not None else first.dtype if first is not None else np.dtype(np.float32)
        return self.split(op, inputs, [shape], kind, channels_first=channels_first, **attributes)[0]

    def split(
        self,
        op: str,
        inputs: Sequence[Value | None],
        shapes: Sequence[Sequence[int]],
        dtypes: Any,
        *,
        channels_first: bool = False,
        **attributes: Any,
    ) -> list[Value]:
        """Add a node with several outputs; `dtypes` is one dtype or one for each."""
        if len(self.nodes) >= MOST_NODES:
            raise ConversionError(f"more than {MOST_NODES} operators: not one of these networks")
        kinds = list(dtypes) if isinstance(dtypes, (list, tuple)) else [dtypes] * len(shapes)
        attributes = {key: value for key, value in attributes.items() if value is not None}
        outputs = [
            Value(self._fresh(op), checked_shape(shape), np.dtype(kind), channels_first and len(shape) == 4)
            for shape, kind in zip(shapes, kinds, strict=True)
        ]
        if all(value is None or value.data is not None for value in inputs):
            return self._fold(op, inputs, outputs, attributes)
        node = Node(op, [self.stored(value) for value in inputs], [value.name for value in outputs], attributes)
        self.nodes.append(node)
        for value in outputs:
            self.values[value.name] = value
        return outputs

    def stored(self, value: Value | None) -> str:
        """The name of the ONNX tensor that holds `value`; constants are written down on first use, equal ones once."""
        if value is None:
            return ""
        if value.data is None:
            return value.name
        array = np.ascontiguousarray(np.moveaxis(value.data, -1, 1) if value.channels_first else value.data)
        array = array.reshape(value.stored_shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._interned:
            name = self._fresh("const")
            self._interned[key] = name
            self.constants[name] = array
        return self._interned[key]

    def channels_first(self, value: Value) -> Value:
        """The same rank-4 tensor stored as NCHW."""
        return self._as_layout(value, True)

    def source_order(self, value: Value) -> Value:
        """The same tensor stored as its source has it."""
        return self._as_layout(value, False)

    def output(self, value: Value, name: str, *, channels_first: bool = True) -> Value:
        """Declare `value` an output, called `name`, a rank-4 one stored as NCHW unless told otherwise."""
        if len(value.shape) == 4:
            value = self._as_layout(value, channels_first)
        if value.data is not None or any(value.name == known.name for known in [*self.inputs, *self.outputs]):
            value = self._emit("Identity", value)
        renamed = replace(value, name=name)
        for node in self.nodes:
            node.outputs = [name if tensor == value.name else tensor for tensor in node.outputs]
            node.inputs = [name if tensor == value.name else tensor for tensor in node.inputs]
        self.values.pop(value.name, None)
        self.values[name] = renamed
        # Later uses of the old name must find the new one.
        self._layouts = {
            key: replace(kept, name=name) if kept.name == value.name else kept for key, kept in self._layouts.items()
        }
        self.outputs.append(renamed)
        return renamed

    def _as_layout(self, value: Value, first: bool) -> Value:
        if value.channels_first == first:
            return value
        if len(value.shape) != 4:
            raise ConversionError(f"an image tensor has rank 4, this one has shape {list(value.shape)}")
        if value.data is not None:
            return replace(value, channels_first=first)
        key = (value.name, first)
        if key not in self._layouts:
            _, h, w, c = value.shape
            if h * w == 1 or c == 1:  # the elements lie in the same order: no data moves
                moved = replace(value, channels_first=first)
                shape = self.constant(moved.stored_shape, np.int64)
                result = self._append("Reshape", [self.stored(value), self.stored(shape)], moved)
            else:
                order = [0, 3, 1, 2] if first else [0, 2, 3, 1]
                moved = replace(value, channels_first=first)
                result = self._append("Transpose", [self.stored(value)], moved, perm=order)
            self._layouts[key] = result
            self._layouts[(result.name, not first)] = value
        return self._layouts[key]

    def _emit(self, op: str, value: Value) -> Value:
        return self._append(op, [self.stored(value)], replace(value, data=None))

    def _append(self, op: str, inputs: list[str], like: Value, **attributes: Any) -> Value:
        result = replace(like, name=self._fresh(op))
        self.nodes.append(Node(op, inputs, [result.name], attributes))
        self.values[result.name] = result
        return result

    def _fresh(self, op: str) -> str:
        stem = op.lower()
        self._counts[stem] = self._counts.get(stem, -1) + 1
        return f"{stem}_{self._counts[stem]}"

    def _fold(
        self, op: str, inputs: Sequence[Value | None], outputs: list[Value], attributes: dict[str, Any]
    ) -> list[Value]:
        """Compute a node of constants now."""
        arrays = [
            None if v is None else np.moveaxis(v.constant(op), -1, 1) if v.channels_first else v.data for v in inputs
        ]
        names = ["" if array is None else f"i{k}" for k, array in enumerate(arrays)]
        node = helper.make_node(op, names, [value.name for value in outputs], **attributes)
        graph = helper.make_graph(
            [node],
            "fold",
            [
                helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                for n, a in zip(names, arrays, strict=True)
                if a is not None
            ],
            [helper.make_tensor_value_info(v.name, TensorProto.UNDEFINED, None) for v in outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        results = ReferenceEvaluator(model).run(
            None, {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
        )
        folded = []
        for value, result in zip(outputs, results, strict=True):
            array = np.asarray(result, dtype=value.dtype)
            if value.channels_first:
                array = np.moveaxis(array, 1, -1)
            if array.shape != value.shape:
                raise ConversionError(
                    f"{op} of constants gave {list(array.shape)} where {list(value.shape)} was declared"
                )
            folded.append(Value("", value.shape, value.dtype, value.channels_first, np.array(array, order="C")))
        return folded
