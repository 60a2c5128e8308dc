"""A tensor of the graph under construction."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from bodylens_models.convert.error import ConversionError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor, described in the order of its source (NHWC), stored as ONNX wants it.

    name: of the ONNX tensor; empty for a constant, which gets one when a node first uses it.
    shape: in the source's order, so that an operator's axes mean what they meant there.
    dtype: of the elements.
    channels_first: True when a rank-4 tensor is stored as NCHW though `shape` says NHWC.
    data: the elements of a constant, in the source's order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channels_first: bool = False
    data: Array | None = None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the ONNX tensor."""
        if not self.channels_first:
            return self.shape
        n, h, w, c = self.shape
        return (n, c, h, w)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def axis(self, axis: int) -> int:
        """Where the source's `axis` (negative: from the end) lies in the stored tensor."""
        axis = axis + len(self.shape) if axis < 0 else axis
        return (0, 2, 3, 1)[axis] if self.channels_first else axis

    def constant(self, what: str) -> Array:
        """The elements of a constant; ConversionError, naming `what`, when the tensor is computed."""
        if self.data is None:
            raise ConversionError(f"{what} must be a constant, but it is computed ({self.name})")
        return self.data
