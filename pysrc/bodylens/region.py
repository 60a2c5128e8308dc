"""A rectangle of a frame, possibly turned, that a network looks at; and the transforms to and from it.

Coordinates are continuous: pixel (0, 0) covers [0, 1) × [0, 1), so a frame covers [0, width] × [0, height].
Inside a region the *unit* coordinates (u, v) run from (0, 0), its top left corner, to (1, 1).
"""

from dataclasses import dataclass
from math import cos, hypot, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle turned about its centre.

    Attributes:
        x: centre, pixels of the frame.
        y: centre, pixels of the frame.
        width: pixels along its own horizontal edge.
        height: pixels along its own vertical edge.
        rotation: radians, clockwise as seen on the screen (y points down).

    """

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0

    @classmethod
    def whole(cls, width: float, height: float) -> "Region":
        """Cover a frame of `width` × `height` pixels exactly."""
        return cls(width / 2, height / 2, width, height)

    def letterboxed(self, aspect: float) -> "Region":
        """Grow the shorter side about the centre until width / height is `aspect`, so that nothing is stretched."""
        if self.width > self.height * aspect:
            return Region(self.x, self.y, self.width, self.width / aspect, self.rotation)
        return Region(self.x, self.y, self.height * aspect, self.height, self.rotation)

    def scaled(self, horizontal: float, vertical: float | None = None) -> "Region":
        """Multiply the sides about the centre."""
        vertical = horizontal if vertical is None else vertical
        return Region(self.x, self.y, self.width * horizontal, self.height * vertical, self.rotation)

    def matrix(self) -> NDArray[np.float64]:
        """Give the (2, 3) affine matrix that takes (u, v, 1) to pixels of the frame."""
        c, s = cos(self.rotation), sin(self.rotation)
        across = (c * self.width, s * self.width)
        down = (-s * self.height, c * self.height)
        return np.array(
            [
                [across[0], down[0], self.x - (across[0] + down[0]) / 2],
                [across[1], down[1], self.y - (across[1] + down[1]) / 2],
            ]
        )

    def to_frame(self, points: Points) -> Points:
        """Take unit coordinates to pixels of the frame.

        Args:
            points: (..., 2), or (..., 3) where the third is a depth in units of the region's width.

        Returns:
            The same shape and dtype, pixels of the frame (depth: in pixels as well).

        """
        m = self.matrix()
        out = np.empty_like(points)
        u, v = points[..., 0], points[..., 1]
        out[..., 0] = u * m[0, 0] + v * m[0, 1] + m[0, 2]
        out[..., 1] = u * m[1, 0] + v * m[1, 1] + m[1, 2]
        if points.shape[-1] == 3:
            out[..., 2] = points[..., 2] * self.width
        return out

    def from_frame(self, points: Points) -> Points:
        """Take pixels of the frame to unit coordinates; the inverse of `to_frame`."""
        c, s = cos(self.rotation), sin(self.rotation)
        out = np.empty_like(points)
        x, y = points[..., 0] - self.x, points[..., 1] - self.y
        out[..., 0] = (x * c + y * s) / self.width + 0.5
        out[..., 1] = (y * c - x * s) / self.height + 0.5
        if points.shape[-1] == 3:
            out[..., 2] = points[..., 2] / self.width
        return out

    def bounds(
        self, left: float = 0.0, top: float = 0.0, right: float = 1.0, bottom: float = 1.0
    ) -> tuple[float, float, float, float]:
        """Give the upright box around a rectangle of unit coordinates as (x, y, width, height) in pixels."""
        corners = self.to_frame(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
        low, high = corners.min(axis=0), corners.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    def within(self, other: "Region", width: float, height: float) -> "Region":
        """Give this region in the cells of a grid of `width` × `height` that covers `other`.

        Exact where both have the grid's aspect ratio, or no rotation between them.
        """
        centre = other.from_frame(np.array([self.x, self.y]))
        return Region(
            float(centre[0]) * width,
            float(centre[1]) * height,
            self.width / other.width * width,
            self.height / other.height * height,
            self.rotation - other.rotation,
        )

    @property
    def diagonal(self) -> float:
        """Length of the diagonal, pixels."""
        return hypot(self.width, self.height)
