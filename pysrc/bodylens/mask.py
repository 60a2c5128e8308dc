"""A mask as Python sees it: a handle to pixels that lie elsewhere, and what they mean."""

from dataclasses import dataclass

from bodylens.region import Region


class StaleMask(LookupError):
    """The pixels behind a mask are gone: newer frames took their place."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A grid of probabilities over a region of a frame.

    The pixels stay where the network left them; `People.read_mask` fetches them. Only the last few frames' masks are
    kept, so a mask is read in the frame in which it was made.

    Attributes:
        handle: the driver's name for the pixels.
        width: cells across the region.
        height: cells down the region.
        region: the part of the frame that the grid covers.
        meaning: what a value of 1 says, such as "person".
        threshold: the probability from which a cell counts.
        count: cells that count.
        score: mean probability of the cells that count; 0 where none does.
        extent: (left, top, right, bottom) of the cells that count, in cells, right and bottom exclusive.

    """

    handle: int
    width: int
    height: int
    region: Region
    meaning: str
    threshold: float
    count: int
    score: float
    extent: tuple[int, int, int, int]

    def box(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Give the upright box (x, y, w, h) of what counts, in pixels, cut to a frame of `width` × `height`."""
        left, top, right, bottom = self.extent
        x, y, w, h = self.region.bounds(left / self.width, top / self.height, right / self.width, bottom / self.height)
        x0, y0 = min(max(x, 0.0), width), min(max(y, 0.0), height)
        return x0, y0, min(max(x + w, 0.0), width) - x0, min(max(y + h, 0.0), height) - y0
