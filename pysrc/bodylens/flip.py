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
    segmentation = people.segmentation
    if segmentation is not None:
        segmentation = replace(segmentation, region=_mirrored(segmentation.region, width))
    return replace(people, keypoints=keypoints, boxes=boxes, world=world, masks=masks, segmentation=segmentation)


def _flipped(mask: Mask, width: float) -> Mask:
    return replace(mask, region=_mirrored(mask.region, width))


def _mirrored(r: Region, width: float) -> Region:
    # A negative width runs from right to left.
    return Region(width - r.x, r.y, -r.width, r.height, -r.rotation)
