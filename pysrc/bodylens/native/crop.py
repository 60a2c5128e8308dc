"""From a region of a picture to a network's input, and from a mask back to a picture's grid."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bodylens.region import Region

# Samples that the sampler "average" takes along either side of a pixel of the input, at most: more cost more than they
# gain (docs/poses.md).
MOST_SAMPLES = 2

# OpenCV counts the pixels that it warps in 16 bits.
WARPED_SIDE = 32_000


def crop(
    image: NDArray[np.uint8],
    region: Region,
    width: int,
    height: int,
    low: float,
    high: float,
    border: str = "zero",
    sampler: str = "average",
) -> NDArray[np.float32]:
    """Resample a region to a network's input, pixel centre to pixel centre; `web/engine/crop.js` does the same.

    Args:
        image: (h, w, 3) uint8 RGB.
        region: which part.
        width: of the network's input, pixels.
        height: of the network's input, pixels.
        low: the value that black becomes.
        high: the value that white becomes.
        border: "zero" for black where the region leaves the image, "replicate" for the image's outermost pixels.
        sampler: "bilinear" for one bilinear sample at the middle of a pixel of the input, whatever the scale; "average"
            for the mean of as many, evenly spaced, as the scale asks for.

    Returns:
        (1, 3, height, width) float32.

    """
    frame_height, frame_width = image.shape[:2]
    samples = samples_per_side(region, width, height) if sampler == "average" else 1
    if max(frame_width, frame_height) > WARPED_SIDE:
        size = (min(frame_width, WARPED_SIDE), min(frame_height, WARPED_SIDE))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    scale = np.diag([image.shape[1] / frame_width, image.shape[0] / frame_height])
    # Sample (i, j) lies at ((i + 0.5) / columns, (j + 0.5) / rows) of the region; OpenCV counts from centres.
    columns, rows = width * samples, height * samples
    unit = np.array([[1 / columns, 0, 0.5 / columns], [0, 1 / rows, 0.5 / rows], [0, 0, 1]])
    to_image = scale @ region.matrix() @ unit
    to_image[:, 2] -= 0.5
    repeated = border == "replicate" or _inside(region, frame_width, frame_height)
    sampled = cv2.warpAffine(
        image,
        to_image,
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if repeated else cv2.BORDER_CONSTANT,
    )
    if samples > 1:
        # Not rounded: of the bytes that are added each was rounded already.
        sampled = cv2.resize(sampled.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    planes = sampled.transpose(2, 0, 1)[None].astype(np.float32)
    planes *= np.float32((high - low) / 255)
    planes += np.float32(low)
    return np.ascontiguousarray(planes)


def samples_per_side(region: Region, width: int, height: int) -> int:
    """Say how many samples of a region a pixel of an input of `width` × `height` is the mean of, along either side."""
    scale = max(region.width / width, region.height / height)
    return min(max(int(scale + 0.5), 1), MOST_SAMPLES)


def _inside(region: Region, width: float, height: float) -> bool:
    x, y, w, h = region.bounds()
    slack = 1e-3
    return x > -slack and y > -slack and x + w < width + slack and y + h < height + slack


def lay(
    mask: NDArray[np.float32], region: Region, frame: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Lay a region's grid over a whole frame, bilinearly.

    Args:
        mask: (h, w) float32 over `region`.
        region: where it lies, pixels of the frame.
        frame: (width, height) of the frame.
        size: (width, height) of the result.

    Returns:
        (height, width) float32; 0 outside the region.

    """
    if region == Region.whole(*frame):
        # The same samples, three times as fast.
        return cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    h, w = mask.shape
    unit = np.array([[1 / w, 0, 0.5 / w], [0, 1 / h, 0.5 / h], [0, 0, 1]])
    to_frame = region.matrix() @ unit
    to_size = np.diag([size[0] / frame[0], size[1] / frame[1]]) @ to_frame
    to_size[:, 2] -= 0.5
    x, y, rw, rh = region.bounds()
    covers = region.rotation == 0 and x <= 0 and y <= 0 and x + rw >= frame[0] and y + rh >= frame[1]
    laid = cv2.warpAffine(
        mask,
        to_size,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if covers else cv2.BORDER_CONSTANT,
    )
    return laid.astype(np.float32, copy=False)
