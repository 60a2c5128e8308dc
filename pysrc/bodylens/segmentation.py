"""From coarse grids of logits to maps of persons, body parts and people, at any size.

The rule throughout: logits are resized, then compared; labels never are. Inside a cell of the grid all values are
bilinear mixtures of its four corners, so where one candidate wins at all four corners it wins in between as well: only
the pixels of the other cells, along outlines, are looked at one by one. That is exact, and several times faster.

ref: tfjs-models, body-pix/src/util.ts (scaleAndCropToInputTensorShape), decode_part_map.ts
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.frame import Frame
from bodylens.personlab import logit, sigmoid
from bodylens.region import Region

Float = NDArray[np.float32]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the pixels along one side of a picture lie among the cells of a grid.

    Attributes:
        low: (n,) int32, the cell before.
        high: (n,) int32, the cell after; the same at the borders.
        part: (n,) float32, how far from `low` to `high`, 0 … 1.

    """

    low: NDArray[np.int32]
    high: NDArray[np.int32]
    part: Float


def _axis(pixels: int, length: float, start: float, extent: float, cells: int) -> _Axis:
    """Place `pixels` that cover 0 … length on a grid of `cells` that covers start … start + extent."""
    centres = (np.arange(pixels, dtype=np.float64) + 0.5) * (length / pixels)
    at = np.clip((centres - start) * (cells / extent) - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(np.int32), max(cells - 2, 0))
    return _Axis(low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a network says of each cell of a grid, and the maps that follow from it.

    Maps are made when they are asked for, at the frame's size or any other (width, height).

    Attributes:
        frame: of which it speaks.
        region: what the grid covers; not turned.
        logits: (h, w) float32, that the cell belongs to a person.
        threshold: the probability above which a pixel is a person.
        parts_logits: (24, h, w) float32, or None where the network was not asked.
        distances: (n, h, w) float32, how far each of n people is from what the cell expects of its own person, in
            squared pixels; None where the network was not asked.
        ids: (n,) int32, the ids of these people.

    """

    frame: Frame
    region: Region
    logits: Float
    threshold: float
    parts_logits: Float | None = None
    distances: Float | None = None
    ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def probabilities(self, size: Size | None = None) -> Float:
        """Give (height, width) float32, the probability of each pixel to be a person."""
        chances: Float = sigmoid(self._grid(size).whole(self.logits))
        return chances

    def person(self, size: Size | None = None) -> NDArray[np.bool_]:
        """Give (height, width) bool, which pixels are a person."""
        return self._grid(size).whole(self.logits) > self._least

    def parts(self, size: Size | None = None) -> NDArray[np.int32]:
        """Give (height, width) int32, which of the 24 parts each pixel is; -1 where there is no person.

        Raises:
            LookupError: the network was not asked for parts.

        """
        if self.parts_logits is None:
            raise LookupError("there are no parts here; make the segmenter with segment_body_parts=True")
        return self._grid(size).best(self.parts_logits, self.person(size))

    def instances(self, size: Size | None = None) -> NDArray[np.int32]:
        """Give (height, width) int32, to which of the n people each pixel belongs, as a row; -1 where to none.

        Raises:
            LookupError: the network was not asked for people one by one.

        """
        if self.distances is None:
            raise LookupError("people are not told apart here; make the segmenter with multi_segmentation=True")
        person = self.person(size)
        if not len(self.distances):
            return np.full(person.shape, -1, np.int32)
        return self._grid(size).best(-self.distances, person)

    @property
    def _least(self) -> np.float32:
        return np.float32(logit(self.threshold))

    def _grid(self, size: Size | None) -> "_Grid":
        width, height = size or (self.frame.width, self.frame.height)
        cells_high, cells_wide = self.logits.shape
        left, top = self.region.x - self.region.width / 2, self.region.y - self.region.height / 2
        return _Grid(
            _axis(width, self.frame.width, left, self.region.width, cells_wide),
            _axis(height, self.frame.height, top, self.region.height, cells_high),
        )


@dataclass(frozen=True, eq=False)
class _Grid:
    """A grid laid over pixels.

    Attributes:
        x: the columns.
        y: the rows.

    """

    x: _Axis
    y: _Axis

    @cached_property
    def _shape(self) -> tuple[int, int]:
        return len(self.y.low), len(self.x.low)

    def _rows(self, planes: Float) -> Float:
        """Resize (..., h, w) along y alone, to (..., height, w)."""
        low, high = planes.take(self.y.low, axis=-2), planes.take(self.y.high, axis=-2)
        high -= low
        high *= self.y.part[:, None]
        high += low
        return high

    def whole(self, plane: Float) -> Float:
        """Resize (h, w) to every pixel, (height, width)."""
        rows = self._rows(plane)
        low, high = rows.take(self.x.low, axis=-1), rows.take(self.x.high, axis=-1)
        high -= low
        high *= self.x.part
        high += low
        return high

    def best(self, planes: Float, where: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Say which of (c, h, w) planes is highest at each pixel of `where` (height, width); -1 at the others.

        Of equal planes the first one counts.
        """
        count = len(planes)
        winner = planes.argmax(axis=0).astype(np.int32)
        right, below = self._next(winner.shape[1]), self._next(winner.shape[0])
        corners = np.stack([winner, winner[:, right], winner[below], winner[below][:, right]])
        same = (corners == winner).all(axis=0)
        # Per pixel: the winner of its cell, or `count` where that has to be found out.
        cells = np.where(same, winner, np.int32(count))
        out = cells.take(self.y.low, axis=0).take(self.x.low, axis=1)
        out[~where] = -1
        at = np.flatnonzero(out.reshape(-1) == count)
        if at.size:
            out.reshape(-1)[at] = self._best_at(planes, at)
        return out

    @staticmethod
    def _next(count: int) -> Any:  # noqa: ANN401
        return np.minimum(np.arange(1, count + 1), count - 1)

    def _best_at(self, planes: Float, at: NDArray[np.intp]) -> NDArray[np.int32]:
        """Say which plane is highest at pixels given by their numbers (p,)."""
        width = self._shape[1]
        across = planes.shape[2]
        rows = self._rows(planes)
        y, x = np.divmod(at.astype(np.int32), np.int32(width))
        base = y * np.int32(across)
        low, high = base + self.x.low.take(x), base + self.x.high.take(x)
        part = self.x.part.take(x)
        top = np.full(len(at), -np.inf, np.float32)
        label = np.zeros(len(at), np.int32)
        for number, plane in enumerate(rows.reshape(len(planes), -1)):
            before = plane.take(low)
            value = plane.take(high)
            value -= before
            value *= part
            value += before
            higher = value > top
            np.copyto(top, value, where=higher)
            label[higher] = number
        return label
