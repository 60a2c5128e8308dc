"""What the page's crop gives a network, in a real browser: against the native crop of the same region."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens import Region
from bodylens.native.crop import crop

PICTURE = Path(__file__).parents[1] / "pictures" / "astronaut.jpg"
SIDE = 256

TAKE = """async ([png, film, region, border, sampler]) => {
  const home = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  const { app } = JSON.parse(home.querySelector('meta[name="bodylens:site"]').content);
  const { Crop } = await import(new URL(`${app}/engine/crop.js`.replace("//", "/"), location.origin));
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
  const image = film ? new VideoFrame(bitmap, { timestamp: 0 }) : bitmap;
  const crop = new Crop({ width: 256, height: 256, low: 0, high: 255, border, sampler });
  const pixels = new Uint8Array(crop.take(image, bitmap.width, bitmap.height, region).buffer);
  if (film) image.close();
  bitmap.close();
  return btoa(Array.from(pixels, (byte) => String.fromCharCode(byte)).join(""));
}"""

REGIONS = {
    "inside": Region(250, 200, 256, 256, 0.3),
    "beyond the bottom": Region(224, 420, 600, 600, 0.0),
    "beyond the bottom, turned": Region(224, 420, 600, 600, 0.4),
    "beyond the left top corner": Region(20, 30, 300, 300, -0.6),
    "beyond all sides, upside down": Region(250, 260, 900, 900, 3.0),
    "mostly outside": Region(500, 700, 700, 700, 1.1),
    "wholly outside": Region(900, 800, 300, 300, 0.5),
}


@pytest.fixture(scope="module")
def scratch(server, browser):
    """Open an empty page of the site."""
    page = browser.new_page()
    page.goto(f"{server}/health")
    yield page
    page.close()


@pytest.fixture(scope="module")
def astronaut():
    return bodylens.read_picture(PICTURE)


@pytest.mark.parametrize("film", [False, True], ids=["a picture", "a film's frame"])
@pytest.mark.parametrize("sampler", ["average", "bilinear"])
@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize("where", REGIONS)
def test_the_page_crops_as_natively(scratch, astronaut, where, border, sampler, film):
    region = REGIONS[where]
    png = base64.b64encode(cv2.imencode(".png", astronaut[..., ::-1])[1].tobytes()).decode()
    numbers = [region.x, region.y, region.width, region.height, region.rotation]
    taken = np.frombuffer(base64.b64decode(scratch.evaluate(TAKE, [png, film, numbers, border, sampler])), np.float32)
    taken = taken.reshape(3, SIDE, SIDE)
    want = crop(astronaut, region, SIDE, SIDE, 0, 255, border, sampler)[0]
    off = np.abs(taken - want)
    v, u = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    places = region.to_frame(np.stack([u, v], -1))
    rows, columns = astronaut.shape[:2]
    depth = np.minimum(places, [columns, rows] - places).min(axis=-1) * SIDE / region.width
    inside, outside = depth > 2, depth < -2  # the frame's edge itself is a soft one in the page
    means = [float(off[:, part].mean()) if part.any() else 0.0 for part in (inside, outside)]
    print(f"\n{where}, {border}: of 255, {means[0]:.2f} off on average inside of the picture, {means[1]:.2f} outside")
    # Where nothing is turned the browser mixes neighbours by steps of a sixteenth.
    assert means[0] < (0.1 if region.rotation else 0.8)
    if border == "zero":
        assert not taken[:, outside].any()
    else:
        assert means[1] < (0.1 if region.rotation else 0.8)
