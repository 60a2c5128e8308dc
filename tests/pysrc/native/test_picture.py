"""Image files: upright, one rule for alpha, all frames of animations, and a bound before decoding."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

import bodylens
from bodylens.native import media
from bodylens.native.picture import read_picture, write_picture
from bodylens.pixels import MAX_PIXELS, as_rgb

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def quarters(size=64):
    """Red, green / blue, white."""
    image = np.full((size, size + 32, 3), 255, np.uint8)
    half = size // 2
    image[:half, : half + 16] = RED
    image[:half, half + 16 :] = GREEN
    image[half:, : half + 16] = BLUE
    return image


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright_once(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = quarters()
    # ref: Exif 2.3, tag 274: how the stored rows lie
    stored = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: np.rot90(image),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(image, -1),
    }[orientation]
    path = tmp_path / f"turned{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95)
    read = read_picture(path)
    assert read.shape == image.shape
    assert np.abs(read.astype(int) - image)[8:24, 8:24].max() < 30
    assert np.abs(read.astype(int) - image)[-24:-8, 8:24].max() < 30


def translucent():
    image = np.zeros((16, 16, 4), np.uint8)
    image[..., :3] = np.random.default_rng(1).integers(0, 256, (16, 16, 3))
    image[..., 3] = np.arange(256).reshape(16, 16)
    return image


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_alpha_is_composited_over_white_in_files_and_arrays_alike(tmp_path, ending):
    image = translucent()
    path = tmp_path / f"alpha{ending}"
    Image.fromarray(image).save(path, lossless=True, exact=True)
    alpha = image[..., 3:] / 255.0
    wanted = image[..., :3] * alpha + 255 * (1 - alpha)
    read = read_picture(path)
    assert np.abs(read - wanted).max() <= 0.51
    np.testing.assert_array_equal(read, as_rgb(image))


def test_what_is_fully_transparent_is_white_whatever_lies_there():
    image = translucent()
    image[..., 3] = 0
    assert (as_rgb(image) == 255).all()


def test_palettes_and_grey_with_alpha(tmp_path):
    palette = Image.fromarray(quarters()).quantize(4)
    palette.info["transparency"] = palette.getpixel((0, 0))
    palette.save(tmp_path / "palette.png")
    read = read_picture(tmp_path / "palette.png")
    assert (read[0, 0] == 255).all()
    assert np.abs(read[-1, 0].astype(int) - BLUE).max() < 3
    Image.fromarray(np.dstack([np.full((4, 4), 40, np.uint8), np.full((4, 4), 255, np.uint8)])).save(
        tmp_path / "la.png"
    )
    assert (read_picture(tmp_path / "la.png") == 40).all()


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_grey_arrays(shape):
    assert as_rgb(np.full(shape, 9, np.uint8)).shape == (5, 7, 3)


@pytest.mark.parametrize(("bits", "peak"), [(10, 1023), (12, 4095), (14, 16383), (16, 65535)])
def test_sensor_data_in_16_bits_are_not_near_black(tmp_path, bits, peak):
    ramp = np.linspace(0, peak, 256).round().astype(np.uint16).reshape(16, 16)
    for path in (tmp_path / "grey.png", tmp_path / "grey.tif"):
        cv2.imwrite(str(path), ramp)
        read = read_picture(path)
        assert read[0, 0, 0] == 0
        assert read[-1, -1, 0] == 255
        np.testing.assert_allclose(read[..., 1], ramp / 2 ** (bits - 8), atol=1)


def test_cmyk(tmp_path):
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    read = read_picture(tmp_path / "print.jpg").astype(int)
    assert np.abs(read[16, 16] - RED).max() < 30
    assert np.abs(read[-16, -16] - 255).max() < 30


@pytest.mark.parametrize("ending", [".gif", ".png", ".webp"])
def test_animations_give_all_frames_with_their_times(tmp_path, ending):
    path = tmp_path / f"moving{ending}"
    shades = [Image.fromarray(np.full((24, 32, 3), (40 * i, 0, 90), np.uint8)) for i in range(5)]
    lasting = [30, 40, 100, 30, 50]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=lasting, loop=0, lossless=True)
    pictures, times = zip(*bodylens.frames(path), strict=True)
    np.testing.assert_allclose(times, np.cumsum([0, *lasting[:-1]]) / 1000, atol=0.001)
    assert [round(int(p[0, 0, 0]) / 40) for p in pictures] == list(range(5))
    assert not media.is_still(path)
    assert read_picture(path).shape == (24, 32, 3)


def test_transparent_frames_of_animations_lie_over_white(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4] = (255, 0, 0, 255)
    clear[[0, -1], -1, 3] = 128  # for Pillow, which writes no alpha where each frame has none in what it covers
    frames = [Image.fromarray(clear), Image.fromarray(clear[::-1].copy())]
    frames[0].save(tmp_path / "clear.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    first, second = (picture for picture, _ in bodylens.frames(tmp_path / "clear.webp"))
    assert (first[:4, :-1] == RED).all()
    assert (first[4:, :-1] == 255).all()
    assert (second[4:, :-1] == RED).all()
    assert (second[:4, :-1] == 255).all()


def bomb(width, height):
    """A PNG of nothing, a thousandth of its size as pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("width", [11_000, 30_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, width):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(width, width))
    for read in (read_picture, lambda path: next(bodylens.frames(path)), media.is_still):
        with pytest.raises(ValueError, match=r"more than 100 megapixels, .* scale it down first"):
            read(path)
    assert MAX_PIXELS == 100_000_000


def test_as_many_as_are_allowed_are_read(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(bomb(8000, 5000))
    assert read_picture(path).shape == (5000, 8000, 3)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_damaged_images_are_told(tmp_path, ending):
    path = tmp_path / f"half{ending}"
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    write_picture(path, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"half\{ending} is damaged"):
        read_picture(path)


def test_a_damaged_animation_says_how_far_it_went(tmp_path):
    path = tmp_path / "moving.png"
    noise = np.random.default_rng(2).integers(0, 256, (6, 64, 64, 3), np.uint8)
    shades = [Image.fromarray(one) for one in noise]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = 0
    with pytest.raises(ValueError, match=r"is damaged after \d frames"):
        for _ in bodylens.frames(path):
            seen += 1
    assert seen in (2, 3)


def test_odd_metadata_are_passed_over_in_silence(tmp_path):
    path = tmp_path / "odd.jpg"
    Image.new("RGB", (16, 8), RED).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12")
    assert read_picture(path).shape == (8, 16, 3)


def test_heic_is_named(tmp_path):
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(ValueError, match="is HEIC"):
        read_picture(tmp_path / "phone.heic")


def test_a_folder_and_nothing_are_told(tmp_path):
    with pytest.raises(IsADirectoryError, match="name one picture or video file in it"):
        next(bodylens.frames(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        next(bodylens.frames(tmp_path / "none.png"))
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ValueError, match="neither a picture nor a video"):
        next(bodylens.frames(tmp_path / "empty.png"))
