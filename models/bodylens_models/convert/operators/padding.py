"""How much a window is padded: the source's words, in numbers.

ref: tensorflow/core/framework/common_shape_fns.cc, GetWindowedOutputSizeVerbose
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bodylens_models.convert.error import ConversionError


@dataclass(frozen=True)
class Window:
    """Pads and output size of a sliding window: begin and end in (height, width), out in (height, width)."""

    begin: tuple[int, int]
    end: tuple[int, int]
    out: tuple[int, int]

    @property
    def pads(self) -> list[int]:
        """ONNX's order: top, left, bottom, right."""
        return [*self.begin, *self.end]


def window(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    padding: str | Sequence[int],
) -> Window:
    """The window over an image of `size` (height, width).

    padding: "same", "valid", or four numbers top, left, bottom, right. Raises ConversionError when nothing fits.
    """
    begins, ends, outs = [], [], []
    for axis in range(2):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        if strides[axis] < 1 or dilations[axis] < 1 or kernel[axis] < 1:
            raise ConversionError(
                f"a window with kernel {list(kernel)}, strides {list(strides)}, dilations {list(dilations)}"
            )
        if padding == "same":
            out = -(-size[axis] // strides[axis])
            total = max(0, (out - 1) * strides[axis] + reach - size[axis])
            begin = total // 2
            end = total - begin
        elif padding == "valid":
            begin = end = 0
            out = (size[axis] - reach) // strides[axis] + 1
        elif not isinstance(padding, str):
            begin, end = int(padding[axis]), int(padding[axis + 2])
            out = (size[axis] + begin + end - reach) // strides[axis] + 1
        else:
            raise ConversionError(f"unknown padding {padding!r}")
        if out < 1:
            raise ConversionError(f"a window of {list(kernel)} does not fit an image of {list(size)}")
        begins.append(begin)
        ends.append(end)
        outs.append(out)
    return Window((begins[0], begins[1]), (ends[0], ends[1]), (outs[0], outs[1]))
