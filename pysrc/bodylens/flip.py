"""Mirrored results, for those who mirror the picture themselves."""

from dataclasses import replace

from bodylens.mask import Mask
from bodylens.people import People
from bodylens.region import Region


def flip(people: People) -> People:
    """Mirror people left to right: x becomes width − 1 − x, masks are mirrored; names and sides stay the person's own.

    Boxes and masks cover areas, so for them x becomes width − x. World landmarks are mirrored about x = 0.
    """
    width = people.frame.width
    keypoints, boxes = people.keypoints.copy(), people.boxes.copy()
    keypoints[..., 0] = width - 1 - keypoints[..., 0]
    boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
    world = people.world
    if world is not None:
        world = world.copy()
        world[..., 0] *= -1
    masks = tuple(_flipped(mask, width) for mask in people.masks)
    return replace(people, keypoints=keypoints, boxes=boxes, world=world, masks=masks)


def _flipped(mask: Mask, width: float) -> Mask:
    r = mask.region
    # A negative width runs from right to left.
    return replace(mask, region=Region(width - r.x, r.y, -r.width, r.height, -r.rotation))
