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

    """

    index: int
    time: float
    width: int
    height: int
