"""Pictures of every kind as sources and backgrounds in a real page: their size, which way is up, what shows through."""

import base64
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import snapshot
from playwright.sync_api import expect
from waiting import until

import bodylens

ASTRONAUT = cv2.imread(str(Path(__file__).parents[1] / "pictures" / "astronaut.jpg"))
LARGE = "This picture is too large"

# Decodes as a source does, in the page without its program, and gives some pixels of what comes out.
DECODE = """async ([file, places]) => {
  const home = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  const { app } = JSON.parse(home.querySelector('meta[name="bodylens:site"]').content);
  const { decode } = await import(new URL(`${app}/page/still.js`.replace("//", "/"), location.origin));
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  const { bitmap, width, height } = await decode(new Blob([bytes]));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = places.map(([x, y]) =>
    [...context.getImageData(x * bitmap.width, y * bitmap.height, 1, 1).data]);
  return { size: [width, height], kept: [bitmap.width, bitmap.height], pixels };
}"""


@pytest.fixture(scope="module")
def decode(server, browser):
    """Decode a file as the page does: `decode(content, *places)` gives the picture's size and its RGBA at places."""
    page = browser.new_page()
    page.goto(f"{server}/health")
    yield lambda content, *places: page.evaluate(DECODE, [base64.b64encode(content).decode(), places])
    page.close()


def encode(ending, picture, *options):
    done, data = cv2.imencode(ending, picture, options)
    assert done
    return data.tobytes()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def exif(orientation):
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def turned_png(picture, orientation):
    content = encode(".png", picture)
    return content[:33] + chunk(b"eXIf", exif(orientation)) + content[33:]


def turned_webp(picture, orientation, prefix=b""):
    content = encode(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 101)
    height, width = picture.shape[:2]
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    alpha = 0x10 if picture.shape[2] == 4 else 0
    parts = [(b"VP8X", bytes([8 | alpha, 0, 0, 0]) + sizes), (b"EXIF", prefix + exif(orientation))]
    head, tail = (name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in parts)
    body = b"WEBP" + head + content[12:] + tail
    return b"RIFF" + struct.pack("<I", len(body)) + body


def turned_jpeg(picture, orientation):
    content = encode(".jpg", picture)
    data = b"Exif\0\0" + exif(orientation)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + content[2:]


def as_stored(picture, orientation):
    """Give the pixels that a file has to hold, so that its orientation turns them into this picture."""
    turns = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: p[:, ::-1].transpose(1, 0, 2),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: p[::-1].transpose(1, 0, 2),
    }
    return np.ascontiguousarray(turns[orientation](picture))


def quarters():
    """Give a picture with a colour of its own in each corner, wider than high."""
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[:20, :32], picture[:20, 32:], picture[20:, :32] = (0, 0, 255), (0, 255, 0), (255, 0, 0)
    return picture


CORNERS = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
COLORS = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [0, 0, 0, 255]]


def test_a_picture_is_turned_upright_once_whatever_its_format(decode):
    for orientation in range(1, 9):
        stored = as_stored(quarters(), orientation)
        files = {
            "PNG": turned_png(stored, orientation),
            "WebP": turned_webp(stored, orientation),
            "WebP with the prefix of JPEG": turned_webp(stored, orientation, b"Exif\0\0"),
            "JPEG": turned_jpeg(stored, orientation),
        }
        for name, content in files.items():
            decoded = decode(content, *CORNERS)
            assert decoded["size"] == [64, 40], f"{name}, {orientation}"
            off = np.abs(np.subtract(decoded["pixels"], COLORS)).max()
            assert off <= (8 if name == "JPEG" else 0), f"{name}, {orientation}: {decoded['pixels']}"


def test_what_is_transparent_is_seen_before_white(decode):
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[..., 2] = 200  # red also where alpha is 0
    picture[:, 1, 3], picture[:, 2, 3], picture[:, 3, 3] = 51, 128, 255
    places = [(x / 4, 0.5) for x in range(4)]
    for ending in (".png", ".webp"):
        content = encode(ending, picture, *([cv2.IMWRITE_WEBP_QUALITY, 101] if ending == ".webp" else []))
        pixels = decode(content, *places)["pixels"]
        for pixel, alpha in zip(pixels, (0, 51, 128, 255), strict=True):
            share = alpha / 255
            want = [200 * share + 255 * (1 - share), 255 * (1 - share), 255 * (1 - share), 255]
            assert np.abs(np.subtract(pixel, want)).max() <= 1.5, (ending, alpha, pixel)


def test_pictures_keep_their_size_however_few_of_their_pixels_are_kept(decode):
    huge = encode(".jpg", cv2.resize(quarters(), (7300, 5475), interpolation=cv2.INTER_NEAREST))  # 40 megapixels
    decoded = decode(huge, *CORNERS)
    assert decoded["size"] == [7300, 5475]
    assert decoded["kept"] == [4096, 3072]
    assert np.abs(np.subtract(decoded["pixels"], COLORS)).max() <= 8
    for shape in ((1, 9000, 3), (9000, 1, 3), (1, 1, 3)):
        decoded = decode(encode(".png", np.full(shape, 90, np.uint8)), (0.5, 0.5))
        assert decoded["size"] == [shape[1], shape[0]]
        assert min(decoded["kept"]) == 1
        assert decoded["pixels"] == [[90, 90, 90, 255]]


def png_of(width, height):
    """Give the beginning of a PNG file, which says its size."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))


def test_what_has_too_many_pixels_is_refused_by_its_header(decode):
    wide = struct.pack("<HH", 20_000, 20_000)
    size = (30_000 - 1).to_bytes(3, "little") * 2
    content = encode(".jpg", ASTRONAUT)
    frame = content.index(b"\xff\xc0")
    files = {
        "PNG": png_of(30_000, 30_000),
        "GIF": b"GIF89a" + wide + bytes(9),
        "WebP": b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size,
        "WebP, lossy": b"RIFF\0\0\0\0WEBPVP8 " + bytes(4) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383),
        "WebP, lossless": b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(9),
        "JPEG": content[: frame + 5] + struct.pack(">HH", 20_000, 20_000) + content[frame + 9 :],
        "JPEG behind much else": content[:2]
        + (b"\xff\xe2\xff\xff" + bytes(65533)) * 2
        + content[2 : frame + 5]
        + struct.pack(">HH", 20_000, 20_000)
        + content[frame + 9 :],
        "BMP": b"BM" + bytes(12) + struct.pack("<Iii", 40, 20_000, -20_000) + bytes(40),
        "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0\0\0\x14ispe" + struct.pack(">III", 0, 20_000, 20_000),
        "ICO": b"\0\0\1\0\1\0" + bytes(12) + struct.pack("<I", 22) + png_of(20_000, 20_000),
    }
    for name, content in files.items():
        with pytest.raises(Exception, match="at most 100 are opened") as told:
            decode(content, (0, 0))
        assert "megapixels" in str(told.value), name
    with pytest.raises(Exception, match="could not be decoded"):
        decode(png_of(10_000, 10_000), (0, 0))  # not more than is decoded


def choose(page, name, content, where="#file"):
    page.set_input_files(where, {"name": name, "mimeType": "", "buffer": content})


def shown(page, width, height):
    """Wait for a result of a picture of this size."""
    until(page, f"bodylens.latest()?.frame.width === {width} && bodylens.latest().frame.height === {height}")
    until(page, "document.documentElement.dataset.state === 'running'")


def nose(people):
    return people["keypoints"][0]


def test_people_are_found_where_they_are_in_the_picture_given(visit, wait_state):
    """A large picture's coordinates are its own, in the page, in a script, and what is drawn is all of it."""
    opened = visit("?source=sample&backend=wasm&model=movenet-lightning&effect=none")
    page = opened.page
    wait_state(page, "running")
    side = 6000
    choose(page, "large.jpg", encode(".jpg", cv2.resize(ASTRONAUT, (side, side))))
    shown(page, side, side)
    frame, people = (page.evaluate("bodylens.latest()")[key] for key in ("frame", "people"))
    assert (frame["width"], frame["height"]) == (side, side)
    scale = side / 512
    native = bodylens.create_detector("movenet-lightning").estimate_poses(ASTRONAUT[..., ::-1])
    x, y = native.keypoints[0, 0, :2] * scale
    assert abs(nose(people[0])["x"] - x) < 3 * scale
    assert abs(nose(people[0])["y"] - y) < 3 * scale
    drawn = snapshot(page)
    assert drawn.shape[:2] == (2048, 2048)
    small = cv2.resize(ASTRONAUT, (2048, 2048))
    assert np.abs(drawn[..., 2::-1].astype(int) - small).mean() < 12  # all of it, and a skeleton

    width, height, x, y = page.evaluate(
        """() => bodylens.python(`
import bodylens
detector = await bodylens.create_detector("movenet-lightning")
people = await detector.estimate()
[people.frame.width, people.frame.height, *people.keypoints[0, 0, :2].tolist()]
`)"""
    )
    assert (width, height) == (side, side)
    assert abs(x - nose(people[0])["x"]) < 3 * scale
    assert abs(y - nose(people[0])["y"]) < 3 * scale
    assert not opened.errors


def test_a_turned_and_transparent_picture_is_the_same_by_file_address_drop_and_as_background(visit, wait_state):
    picture = cv2.cvtColor(quarters(), cv2.COLOR_BGR2BGRA)
    picture[20:, 32:, 3] = 0  # black below alpha 0: seen as white
    content = turned_webp(as_stored(picture, 6), 6)
    colors = [*COLORS[:3], [255, 255, 255, 255]]

    def upright():
        drawn = snapshot(page)
        height, width = drawn.shape[:2]
        pixels = [drawn[int(y * height), int(x * width), :3] for x, y in CORNERS]
        return np.abs(np.subtract(pixels, np.array(colors)[:, :3])).max() <= 1

    opened = visit("?backend=wasm&effect=none")
    page = opened.page
    page.route("**/turned.webp", lambda route: route.fulfill(body=content, content_type="image/webp"))
    choose(page, "turned.webp", content)
    shown(page, 64, 40)
    assert upright()
    page.evaluate(
        """(file) => {
          const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "drop.webp"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(content).decode(),
    )
    until(page, "document.querySelector('#source-name').textContent === 'drop.webp'")
    wait_state(page, "running")
    assert upright()
    # As the background of a picture without a person it is all that is seen, but for where someone is taken to be.
    page.evaluate("bodylens.settings.set('effect', 'picture')")
    choose(page, "background.webp", content, "#background")
    until(page, "bodylens.settings.get('picture') === 'own'")
    count = page.evaluate("bodylens.stats().frames.out")
    until(page, f"bodylens.stats().frames.out > {count} + 2")
    assert upright()
    page.goto(page.url.split("?")[0] + "?backend=wasm&effect=none&source=turned.webp")
    wait_state(page, "running")
    assert upright()
    assert not opened.errors


def test_a_picture_with_too_many_pixels_says_so_and_what_to_do(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    page = opened.page
    wait_state(page, "running")
    content = png_of(30_000, 30_000)
    choose(page, "huge.png", content, "#background")
    expect(page.get_by_role("heading", name="This background cannot be shown")).to_be_visible()
    assert "30000 × 30000 pixels are 900 megapixels, and at most 100 are opened" in page.inner_text("body")
    page.get_by_role("button", name="Go on without it").click()
    wait_state(page, "running")
    choose(page, "huge.png", content)
    expect(page.get_by_role("heading", name=LARGE)).to_be_visible()
    assert "Make it smaller, then open it again." in page.inner_text("body")
    page.route("**/huge.png", lambda route: route.fulfill(body=content, content_type="image/png"))
    page.goto(page.url.split("?")[0] + "?backend=wasm&source=huge.png")
    expect(page.get_by_role("heading", name=LARGE)).to_be_visible()
    page.get_by_role("button", name="Use the sample picture").click()
    wait_state(page, "running")
    assert not opened.errors


def test_pictures_of_one_pixel_across_are_worked_on(visit, wait_state):
    opened = visit("?backend=wasm&model=selfie-general")
    for width, height in ((9000, 1), (1, 9000)):
        choose(opened.page, "line.png", encode(".png", np.full((height, width, 3), 90, np.uint8)))
        shown(opened.page, width, height)
    assert not opened.errors


def test_a_script_gives_pictures_in_grey_and_with_alpha_as_natively(visit, wait_state):
    """One rule for both: grey is taken in either shape, and what is transparent is composited over white."""
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    rgb = cv2.resize(ASTRONAUT, (256, 256))[..., ::-1]
    alpha = np.full((256, 256, 1), 255, np.uint8)
    alpha[:, :70], alpha[200:] = 0, 99
    rgba = np.concatenate([rgb, alpha], axis=2)
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    packed = base64.b64encode(np.ascontiguousarray(rgba).tobytes() + grey.tobytes()).decode()
    found = opened.page.evaluate(
        """(packed) => bodylens.python(`
import base64, bodylens, numpy as np
data = np.frombuffer(base64.b64decode("${packed}"), np.uint8)
rgba, grey = data[:256 * 256 * 4].reshape(256, 256, 4), data[256 * 256 * 4:].reshape(256, 256)
detector = await bodylens.create_detector("movenet-lightning")
found = []
for image in (rgba, grey, grey[..., None], np.repeat(grey[..., None], 3, axis=2)):
    people = await detector.estimate(image)
    found.append([people.keypoints[0].tolist(), people.keypoint_scores[0].tolist()])
    detector.reset()
try:
    await detector.estimate(np.broadcast_to(np.uint8(0), (20000, 20000)))
except ValueError as error:
    found.append(str(error))
found
`)""",
        packed,
    )
    detector = bodylens.create_detector("movenet-lightning")
    for given, (keypoints, scores) in zip((rgba, grey), found, strict=False):
        native = detector.estimate_poses(given)
        detector.reset()
        sure = native.keypoint_scores[0] > 0.3
        assert sure.sum() > 5
        assert np.abs(native.keypoints[0] - keypoints)[sure].max() < 1
        assert np.abs(native.keypoint_scores[0] - scores)[sure].max() < 0.05
    assert found[1] == found[2] == found[3]
    assert found[4] == "a picture has at most 100 megapixels here, not 20000 x 20000: scale it down first"
