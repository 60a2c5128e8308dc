"""A studio in a real browser: an empty page of the site in which nothing but the compositor runs."""

import base64

import cv2
import numpy as np

# Runs in the page. A studio draws one frame and gives the canvas back as a PNG.
STUDIO = """async () => {
  const home = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  const { app } = JSON.parse(home.querySelector('meta[name="bodylens:site"]').content);
  const load = (name) => import(new URL(`${app}/engine/${name}.js`.replace("//", "/"), location.origin));
  const { Compositor } = await load("compositor");
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const bitmap = ({ width, height, data }) =>
    createImageBitmap(new ImageData(new Uint8ClampedArray(bytes(data).buffer), width, height));
  const png = async (blob) =>
    btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(""));
  const read = ({ data, ...rest }) => ({ ...rest, data: new Float32Array(bytes(data).buffer) });
  const body = ({ packed, parts, offsets, ...rest }) => ({
    ...rest,
    packed: Float64Array.from(packed),
    parts: parts && read(parts),
    offsets: offsets && read(offsets),
  });
  globalThis.studio = { Compositor, bitmap, png, read };
  globalThis.draw = async ({ frame, mask, view, bodies, known }) => {
    const compositor = new Compositor(new OffscreenCanvas(1, 1));
    const image = await bitmap(frame);
    if (view.picture) view.picture = await bitmap(view.picture);
    compositor.draw(image, frame.width, frame.height, mask && read(mask), view, bodies && body(bodies), known);
    image.close();
    const drawn = await png(await compositor.snapshot());
    compositor.dispose();
    return drawn;
  };
}"""


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def picture(image):
    """Pack an (h, w, 3) uint8 image for the page."""
    rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return {"width": image.shape[1], "height": image.shape[0], "data": text(rgba)}


def packed(mask, matrix, **more):
    """Pack an (h, w) mask, or grids (..., w) below one another, for the page."""
    return {
        "width": mask.shape[-1],
        "height": mask.shape[-2],
        "data": text(mask.astype(np.float32)),
        "matrix": [float(value) for value in matrix],
        **more,
    }


def unpacked(png):
    image = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def draw_in(studio, frame, mask, bodies=None, known=True, **view):
    """Draw a frame (h, w, 3) uint8 with a mask as `packed` gives it; gives (h, w, 3 or 4) uint8."""
    given = {"frame": picture(frame), "mask": mask, "view": view, "bodies": bodies, "known": known}
    return unpacked(studio.evaluate("(given) => draw(given)", given))
