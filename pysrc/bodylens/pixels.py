"""Arrays that people call images, as (h, w, 3) RGB: one rule for grey and alpha, natively and in the page."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# An image file of more pixels is refused before it is decoded, natively and in the page (web/page/still.js has the same
# number): 100 megapixels take 0.3 GB as RGB and some 1 GB on their way through, about what a browser's tab may have.
MAX_PIXELS = 100_000_000


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite straight alpha over white.

    White is what viewers and browsers show behind a transparent image, and it is the same wherever it is computed:
    the colors below alpha 0 are garbage in many files, and a browser's canvas does not even keep them.

    Args:
        rgba: (h, w, 4) uint8, not premultiplied.

    Returns:
        (h, w, 3) uint8 RGB.

    """
    alpha = rgba[..., 3:]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    # Never above 255 · 255 + 127, so 16 bits suffice.
    out = rgba[..., :3] * alpha.astype(np.uint16)
    out += np.uint16(255) * (np.uint8(255) - alpha) + np.uint16(127)
    out //= np.uint16(255)
    return out.astype(np.uint8)


def as_rgb(image: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return an image as (h, w, 3) uint8 RGB.

    Args:
        image: (h, w, 3) uint8 RGB, (h, w, 4) RGBA, which is composited over white, or (h, w) or (h, w, 1) grey.

    Raises:
        ValueError: it is not one; the message says what came and what is wanted.

    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"a picture is an array (height, width, 3) of uint8 in RGB order, not {pixels.shape} of {pixels.dtype}"
        )
    if not pixels.size:
        raise ValueError(f"the picture is empty: its shape is {pixels.shape}")
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return over_white(pixels) if pixels.shape[2] == 4 else np.ascontiguousarray(pixels)
