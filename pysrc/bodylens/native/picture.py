"""Image files: stills and animations as RGB arrays, upright, with alpha composited over white."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bodylens.pixels import MAX_PIXELS, over_white

Picture = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM")
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")

# How many bits a sensor gives: values that all fit into fewer than are stored are taken for such data.
SENSOR_BITS = (8, 10, 12, 14, 16, 32)

# Browsers show a frame this long whose duration is nothing or next to it. ref: Chromium's DeferredImageDecoder
SHORTEST_MS, INSTEAD_MS = 10.0, 100.0


# What filters warnings is one for all threads.
FILTERS = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what Pillow remarks on odd files, but for too many pixels."""
    with FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_image(path: Path) -> Image.Image | None:
    """Open an image file and read its header alone.

    Args:
        path: a file that there is.

    Returns:
        The image, not decoded yet, to be closed; None where the file is no image.

    Raises:
        ValueError: it has more pixels than `MAX_PIXELS`, or is an image of a kind that cannot be read here.

    """
    try:
        with _quiet():
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        with path.open("rb") as file:
            head = file.read(12)
        if head[4:8] == b"ftyp" and head[8:] in (b"heic", b"heix", b"mif1", b"msf1"):
            raise ValueError(f"{path} is HEIC, which cannot be read here: save it as JPEG or PNG first") from None
        return None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(path) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(path, error, 0) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise _too_large(path)
    return image


def _too_large(path: Path) -> ValueError:
    limit = MAX_PIXELS // 1_000_000
    return ValueError(f"{path} has more than {limit} megapixels, the most that is read here: scale it down first")


def is_animated(image: Image.Image) -> bool:
    """Say whether an open image has several frames that follow each other in time."""
    return image.format in ANIMATED and bool(getattr(image, "is_animated", False))


def read_picture(path: str | Path) -> Picture:
    """Read an image file, of an animation the first frame.

    It is turned upright as its EXIF says, alpha is composited over white, and of more than 8 bits a grey value the
    upper 8 of those that are in use are given: 12-bit data in 16 bits are not near black.

    Args:
        path: JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, JPEG 2000 or PNM.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image that can be read here, is damaged, or has more pixels than `MAX_PIXELS`.

    """
    path = Path(path)
    image = open_image(path)
    if image is None:
        raise ValueError(f"{path} is not a picture in a format that can be read here (JPEG, PNG, WebP, BMP, TIFF …)")
    with image:
        return _decoded(image, path)


def animation(image: Image.Image, path: Path) -> Iterator[tuple[Picture, float]]:
    """Go through an animation once, however often it says that it repeats: each frame with its time in seconds.

    Raises:
        ValueError: it is damaged; the message says after which frame.

    """
    time = 0.0
    # An animated PNG may begin with a still for programs that show no animations.
    first = int(bool(getattr(image, "default_image", False)))
    for index in range(first, getattr(image, "n_frames", 1)):
        try:
            image.seek(index)
        except Exception as error:
            raise _damaged(path, error, index - first) from error
        yield _decoded(image, path, index - first), time
        duration = float(image.info.get("duration", 0))
        time += (duration if duration > SHORTEST_MS else INSTEAD_MS) / 1000


def _decoded(image: Image.Image, path: Path, frames: int = 0) -> Picture:
    try:
        image.load()
        with _quiet():
            upright = ImageOps.exif_transpose(image)
        if upright.mode[0] in "IF":
            grey = _eight_bits(np.asarray(upright))
            return np.repeat(grey[..., None], 3, axis=2)
        if upright.has_transparency_data:
            return over_white(np.asarray(upright.convert("RGBA"), np.uint8))
        return np.array(upright.convert("RGB"), np.uint8)
    except Exception as error:  # a damaged file can raise anything
        raise _damaged(path, error, frames) from error


def _damaged(path: Path, error: Exception, frames: int) -> ValueError:
    after = f" after {frames} frame{'s' * (frames > 1)}" if frames else ""
    return ValueError(f"{path} is damaged{after}: {error}")


def _eight_bits(values: NDArray[np.generic]) -> Picture:
    """Scale (h, w) grey values of more than 8 bits, or of 0 … 1, to 8."""
    if values.dtype.kind == "f":
        finite = np.nan_to_num(values.astype(np.float32))
        return np.round(np.clip(finite * (255 if finite.max() <= 1 else 1), 0, 255)).astype(np.uint8)
    positive = np.maximum(values, 0).astype(np.uint32)
    highest = int(positive.max())
    bits = next(bits for bits in SENSOR_BITS if highest < 1 << bits)
    scaled: Picture = (positive >> np.uint32(bits - 8)).astype(np.uint8)
    return scaled


def can_write(path: str | Path) -> bool:
    """Say whether a path's ending is that of an image format that can be written."""
    return bool(cv2.haveImageWriter(str(path)))


def write_picture(path: str | Path, picture: Picture) -> None:
    """Write (h, w, 3) RGB, (h, w, 4) RGBA or (h, w) grey uint8; the file's ending says the format.

    Raises:
        ValueError: the ending is unknown.
        OSError: the file cannot be written.

    """
    path = Path(path)
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, order[picture.shape[2]])
    if not can_write(path):
        raise ValueError(f"{path}: no picture format has this ending; use .png or .jpg")
    done, data = cv2.imencode(path.suffix, pixels)
    if not done:
        raise ValueError(f"{path}: this picture cannot be written as {path.suffix}")
    path.write_bytes(data.data)
