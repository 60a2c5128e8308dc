"""What a pipeline knows of a frame: its place in time and its size, never its pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: its number in the source, from 0.
        time: when it was taken, in seconds from any fixed origin.
        width: pixels.
        height: pixels.
        still: whether it is an image on its own, of which earlier frames say nothing, nor it of later ones.

    """

    index: int
    time: float
    width: int
    height: int
    still: bool = False
