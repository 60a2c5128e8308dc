"""From a region of a picture to a network's input, and from a mask back to a picture's grid."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bodylens.region import Region


def crop(
    image: NDArray[np.uint8],
    region: Region,
    width: int,
    height: int,
    low: float,
    high: float,
    border: str = "zero",
) -> NDArray[np.float32]:
    """Sample a region bilinearly.

    Args:
        image: (h, w, 3) uint8 RGB.
        region: which part.
        width: of the network's input, pixels.
        height: of the network's input, pixels.
        low: the value that black becomes.
        high: the value that white becomes.
        border: "zero" for black where the region leaves the picture, "replicate" for the picture's rim.

    Returns:
        (1, 3, height, width) float32.

    """
    # Bilinear sampling sees 2 × 2 pixels: a picture more than twice too large is first averaged down.
    frame_height, frame_width = image.shape[:2]
    shrink = min(int(region.width / width), int(region.height / height))
    if shrink >= 2:
        size = (max(1, round(frame_width / shrink)), max(1, round(frame_height / shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    scale = np.diag([image.shape[1] / frame_width, image.shape[0] / frame_height])
    # Pixel (i, j) of the input is centred at ((i + 0.5) / width, (j + 0.5) / height); OpenCV counts from centres.
    unit = np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height], [0, 0, 1]])
    to_picture = scale @ region.matrix() @ unit
    to_picture[:, 2] -= 0.5
    repeated = border == "replicate" or _inside(region, frame_width, frame_height)
    sampled = cv2.warpAffine(
        image,
        to_picture,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if repeated else cv2.BORDER_CONSTANT,
    )
    planes = sampled.transpose(2, 0, 1)[None].astype(np.float32)
    planes *= np.float32((high - low) / 255)
    planes += np.float32(low)
    return np.ascontiguousarray(planes)


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
