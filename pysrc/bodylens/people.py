"""People: what every system gives, as arrays over all persons found in one frame."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.frame import Frame
from bodylens.mask import Mask
from bodylens.segmentation import Segmentation

Index = int | slice | NDArray[np.bool_] | NDArray[np.integer[Any]] | list[int]


def _no_reader(mask: Mask, size: tuple[int, int]) -> Any:  # noqa: ANN401
    raise RuntimeError("these people were made without a driver, so their masks have no pixels to read")


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The persons of one frame; n persons with k keypoints each (k may be 0).

    Attributes:
        frame: the frame in which they were found.
        ids: (n,) int32, stable from frame to frame where a system tracks.
        scores: (n,) float32, confidence in the person, 0 … 1.
        boxes: (n, 4) float32, x, y, width, height in pixels.
        keypoints: (n, k, 2) or (n, k, 3) float32, pixels; depth (smaller is nearer) on the same scale.
        keypoint_scores: (n, k) float32, 0 … 1; how probably a keypoint is seen there.
        presence: (n, k) float32, how probably a keypoint is in the picture, seen or hidden; None where a system
            does not tell the two apart.
        world: (n, k, 3) float32 in metres about the middle of the hips, or None.
        names: the k keypoints' names.
        masks: one for all persons together, or one a person; empty where a system gives none.
        segmentation: maps of parts and of people, or None where a system gives none.

    """

    frame: Frame
    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    world: NDArray[np.float32] | None = None
    presence: NDArray[np.float32] | None = None
    names: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()
    segmentation: Segmentation | None = None
    reader: Callable[[Mask, tuple[int, int]], Any] = field(default=_no_reader, repr=False)

    @classmethod
    def none(cls, frame: Frame, names: tuple[str, ...] = (), dimensions: int = 2) -> "People":
        """Nobody was found."""
        k = len(names)
        return cls(
            frame,
            np.empty(0, np.int32),
            np.empty(0, np.float32),
            np.empty((0, 4), np.float32),
            np.empty((0, k, dimensions), np.float32),
            np.empty((0, k), np.float32),
            names=names,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Index) -> "People":
        """Choose persons by number, slice, list or boolean array; the result is `People` again."""
        rows: Any = slice(index, index + 1 or None) if isinstance(index, int) else index
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"person {index} of {len(self)}")
        return replace(
            self,
            ids=self.ids[rows],
            scores=self.scores[rows],
            boxes=self.boxes[rows],
            keypoints=self.keypoints[rows],
            keypoint_scores=self.keypoint_scores[rows],
            world=None if self.world is None else self.world[rows],
            presence=None if self.presence is None else self.presence[rows],
            masks=tuple(np.array(self.masks, object)[rows]) if len(self.masks) == len(self) > 1 else self.masks,
        )

    def read_mask(self, index: int = 0, size: tuple[int, int] | None = None) -> Any:  # noqa: ANN401
        """Fetch the pixels of a mask: natively at once, in the page awaited (they cross workers).

        Args:
            index: which of `masks`.
            size: (width, height) of the grid to lay over the frame; the frame's own size if None.

        Returns:
            (height, width) float32, probabilities 0 … 1; 0 outside the mask's region.

        Raises:
            LookupError: there is no such mask, or (`StaleMask`) its pixels have made way for newer frames.

        """
        if not 0 <= index < len(self.masks):
            found = f"{len(self.masks)} mask" + ("" if len(self.masks) == 1 else "s")
            raise LookupError(f"mask {index} was asked for, but this frame has {found}")
        return self.reader(self.masks[index], size or (self.frame.width, self.frame.height))
