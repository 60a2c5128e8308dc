"""From coarse grids of logits to maps of persons, body parts and people, at any size.

The rule throughout: logits are resized, then compared; labels never are. Inside a cell of the grid all values are
bilinear mixtures of its four corners, so where one candidate wins at all four corners it wins in between as well: only
the pixels of the other cells, along outlines, are looked at one by one, and only those candidates that can win there.
That is exact, and takes hardly longer for many candidates than for few.

ref: tfjs-models, body-pix/src/util.ts (scaleAndCropToInputTensorShape), decode_part_map.ts
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bodylens.frame import Frame
from bodylens.personlab import logit, sigmoid
from bodylens.region import Region

Float = NDArray[np.float32]
Size = tuple[int, int]

LARGE = 1e12

# Of what is to be hidden: the share of the threshold from which a pixel may be a person, and by how much a part's logit
# may be below the highest.
DOUBTFUL = 0.5
MARGIN = np.float32(1)

# Into how many cells each side of a cell is divided first: of the smaller cells fewer pixels lie along outlines.
FINER = 4


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

    def finer(self) -> tuple[NDArray[np.int32], Float]:
        """Give `low` and `part` for a grid with `FINER` cells for each one."""
        part = self.part * np.float32(FINER)
        steps = part.astype(np.int32)
        return self.low * np.int32(FINER) + steps, part - steps


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
        return self._grid(size).above(self.logits, self._least)

    def parts(self, size: Size | None = None) -> NDArray[np.int32]:
        """Give (height, width) int32, which of the 24 parts each pixel is; -1 where there is no person.

        Raises:
            LookupError: the network was not asked for parts.

        """
        if self.parts_logits is None:
            raise LookupError("there are no parts here; make the segmenter with segment_body_parts=True")
        return self._grid(size).best(self.parts_logits, self.person(size))

    def hidden(self, ids: Sequence[int], size: Size | None = None) -> NDArray[np.bool_]:
        """Give (height, width) bool, which pixels must be hidden so that no such part is seen.

        It errs on the side of hiding: a pixel counts from half the threshold on, and a part in `ids` wins where its
        logit is at most `MARGIN` below the highest. Where the network was not asked for parts, whole people are hidden.

        Args:
            ids: numbers of parts into `bodypix.PART_NAMES`.
            size: (width, height); the frame's own if None.

        """
        grid = self._grid(size)
        person = grid.above(self.logits, np.float32(logit(DOUBTFUL * self.threshold)))
        if self.parts_logits is None:
            return person
        hides = np.isin(np.arange(len(self.parts_logits)), ids)
        return np.isin(grid.best(self.parts_logits + MARGIN * hides[:, None, None].astype(np.float32), person), ids)

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

    def whole(self, plane: Float) -> Float:
        """Resize (h, w) to every pixel, (height, width)."""
        low, high = plane.take(self.y.low, axis=0), plane.take(self.y.high, axis=0)
        high -= low
        high *= self.y.part[:, None]
        high += low
        low, high = high.take(self.x.low, axis=1), high.take(self.x.high, axis=1)
        high -= low
        high *= self.x.part
        high += low
        return high

    def above(self, plane: Float, least: np.float32) -> NDArray[np.bool_]:
        """Say at which pixels (h, w) is above a value, (height, width)."""
        none = np.full_like(plane, least)
        higher: NDArray[np.bool_] = self._labels(np.stack([none, plane])) == 1
        return higher

    def best(self, planes: Float, where: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Say which of (c, h, w) planes is highest at each pixel of `where` (height, width); -1 at the others.

        Of equal planes the first one counts.
        """
        labels = self._labels(planes, where)
        labels[~where] = -1
        return labels

    def _labels(self, planes: Float, where: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
        """Say which of (c, h, w) planes is highest at each pixel; anything outside of `where`."""
        (across, x), (down, y) = self.x.finer(), self.y.finer()
        # What is no number is lower than all that is, but can be mixed with it.
        planes = np.nan_to_num(planes, nan=-LARGE, posinf=LARGE, neginf=-LARGE).astype(np.float32, copy=False)
        planes = _finer(_finer(planes).swapaxes(1, 2)).swapaxes(1, 2)
        corners = _corners(*planes.shape[1:])
        flat = np.ascontiguousarray(planes).reshape(len(planes), -1)
        winner = _first_highest(flat)
        undecided = (winner.take(corners) != winner).any(axis=0)
        # Per pixel: the winner of its cell, or how many there are where that has to be found out.
        cells = np.where(undecided, np.int32(len(planes)), winner).reshape(planes.shape[1:])
        out = cells.take(down, axis=0).take(across, axis=1)
        unknown = out == len(planes)
        if where is not None:
            unknown &= where
        at = np.flatnonzero(unknown).astype(np.int32)
        if at.size:
            row, column = np.divmod(at, np.int32(out.shape[1]))
            cell = down.take(row) * np.int32(planes.shape[2]) + across.take(column)
            asked = np.zeros(flat.shape[1], bool)
            asked[cell] = True
            number = np.cumsum(asked, dtype=np.int32) - 1
            values = flat.take(corners[:, asked], axis=1)
            labels = _best_within(values, number.take(cell), x.take(column), y.take(row))
            out.reshape(-1)[at] = labels
        return out


def _finer(planes: Float) -> Float:
    """Resize (c, h, w) along h, so that there are `FINER` cells where there was one."""
    c, h, w = planes.shape
    out = np.empty((c, (h - 1) * FINER + 1, w), np.float32)
    out[:, ::FINER] = planes
    for step in range(1, FINER):
        share = np.float32(step / FINER)
        out[:, step::FINER] = planes[:, :-1] * (1 - share) + planes[:, 1:] * share
    return out


def _corners(height: int, width: int) -> NDArray[np.int32]:
    """Give the numbers of each cell of a grid, and of those right of it, below it and across, (4, h * w)."""
    cells = np.arange(height * width, dtype=np.int32).reshape(height, width)
    right = np.minimum(np.arange(1, width + 1), width - 1)
    below = np.minimum(np.arange(1, height + 1), height - 1)
    return np.stack([cells, cells[:, right], cells[below], cells[below][:, right]]).reshape(4, -1)


def _first_highest(planes: Float) -> NDArray[np.int32]:
    """Say which of (c, m) is highest in each column, the first one of equals."""
    top, label = planes[0].copy(), np.zeros(planes.shape[1], np.int32)
    for number, plane in enumerate(planes[1:], 1):
        higher = plane > top
        np.copyto(top, plane, where=higher)
        np.copyto(label, np.int32(number), where=higher)
    return label


def _best_within(values: Float, cell: NDArray[np.int32], x: Float, y: Float) -> NDArray[np.int32]:
    """Say which plane is highest at points within cells, the first one of equals.

    Args:
        values: (c, 4, u), of c planes at the corners of u cells.
        cell: (p,) int32, the points' cells.
        x: (p,) float32, how far the points are from left to right, 0 … 1.
        y: (p,) float32, how far from top to bottom.

    """
    # Who is nowhere in the cell as high as another one is everywhere has lost there. Few are left: they are listed
    # cell by cell, and all but the first are compared by how much they are above the first.
    left = values.max(axis=1) >= values.min(axis=1).max(axis=0)
    count = left.sum(axis=0, dtype=np.int32)
    planes = np.nonzero(left.T)[1]
    start = np.cumsum(count) - count
    label: NDArray[np.int32] = planes.take(start).astype(np.int32).take(cell)
    top = np.zeros(len(cell), np.float32)
    first = values[planes.take(start), :, np.arange(len(count))]
    for rank in range(1, int(count.max())):
        have = np.flatnonzero(count > rank)
        numbers = np.zeros(len(count), np.int32)
        numbers[have] = planes.take(start[have] + rank)
        points = np.flatnonzero((count > rank).take(cell))
        ahead = np.zeros((len(count), 4), np.float32)
        ahead[have] = values[numbers[have], :, have] - first[have]
        a, b, c, d = ahead.T
        at, right = cell.take(points), x.take(points)
        value = (d - c - b + a).take(at)
        value *= right
        value += (c - a).take(at)
        value *= y.take(points)
        right *= (b - a).take(at)
        value += right
        value += a.take(at)
        higher = value > top.take(points)
        points = points[higher]
        top[points] = value[higher]
        label[points] = numbers.take(at[higher])
    return label
