"""The masks of a frame's people: one for all of them, or one each."""

import numpy as np
from numpy.typing import NDArray

from bodylens.people import People

Mask = NDArray[np.float32]


def union(people: People) -> Mask | None:
    """Return one mask for all people of a frame.

    Returns:
        (h, w) float32, 0 … 1, the highest of their masks; None where there is none, as when nobody was found.

    """
    if people.segmentation is not None:
        return people.segmentation.person().astype(np.float32)
    masks = [people.read_mask(index) for index in range(len(people.masks))]
    if len(masks) < 2:
        return masks[0] if masks else None
    highest: Mask = np.maximum.reduce(masks)
    return highest


def each(people: People) -> list[Mask]:
    """Return a mask for each person of a frame, in their order.

    Returns:
        (h, w) float32, 0 … 1, each.

    Raises:
        ValueError: the people were not masked one by one.

    """
    if people.segmentation is not None:
        owners, ids = people.segmentation.instances(), people.segmentation.ids.tolist()
        return [(owners == ids.index(person)).astype(np.float32) for person in people.ids.tolist()]
    if len(people.masks) != len(people):
        raise ValueError(f"{len(people)} people have {len(people.masks)} masks, not one each")
    return [people.read_mask(index) for index in range(len(people))]


def none(people: People) -> Mask:
    """Return the empty mask of a frame, (h, w) float32."""
    return np.zeros((people.frame.height, people.frame.width), np.float32)


def grey(mask: Mask) -> NDArray[np.uint8]:
    """Return a mask as (h, w) uint8, 255 where it is 1."""
    return np.round(mask * 255).astype(np.uint8)
