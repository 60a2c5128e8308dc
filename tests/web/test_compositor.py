"""What the compositor draws, pixel by pixel, in a real browser: against the same computed with numpy."""

import cv2
import numpy as np
import pytest
from studio import draw_in, packed, picture, unpacked


@pytest.fixture
def draw(studio):
    """Draw a frame with its mask; the mask covers the whole frame unless a matrix says otherwise."""

    def draw(frame, mask, matrix=None, **view):
        height, width = frame.shape[:2]
        matrix = matrix or (width, 0, 0, 0, height, 0)
        return draw_in(studio, frame, None if mask is None else packed(mask, matrix), **view)

    return draw


def noise(height=120, width=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def half(height=64, width=64):
    """Give a mask whose right half is person."""
    mask = np.zeros((height, width), np.float32)
    mask[:, width // 2 :] = 1
    return mask


# Columns of a 160 pixel frame that are far enough from the edge of `half` to be surely one or the other.
LEFT, RIGHT = slice(0, 68), slice(92, 160)


def test_without_a_mask_a_blur_takes_everything_for_background(draw):
    frame = cv2.GaussianBlur(noise(240, 320), (0, 0), 4)
    nobody = draw(frame, np.zeros((64, 64)), effect="blur", blur=20)
    np.testing.assert_allclose(draw(frame, None, effect="blur", blur=20).astype(int), nobody, atol=1)


def test_without_a_mask_a_picture_takes_the_place_of_everything(draw):
    behind = np.full((120, 160, 3), (9, 99, 199), np.uint8)
    np.testing.assert_array_equal(draw(noise(), None, effect="picture", picture=picture(behind))[..., :3], behind)


def test_a_colour_takes_the_place_of_the_background_exactly(draw):
    frame = noise()
    drawn = draw(frame, half(), effect="color", color=[1, 0.2, 0.4])
    np.testing.assert_array_equal(drawn[:, RIGHT, :3], frame[:, RIGHT])
    np.testing.assert_array_equal(drawn[:, LEFT, :3], np.broadcast_to([255, 51, 102], (120, 68, 3)))


def test_the_highlight_mixes_its_colour_into_the_person(draw):
    frame = noise()
    drawn = draw(frame, half(), effect="mask", color=[0, 1, 0.4], opacity=0.5)
    np.testing.assert_array_equal(drawn[:, LEFT, :3], frame[:, LEFT])
    np.testing.assert_allclose(drawn[:, RIGHT, :3], 0.5 * frame[:, RIGHT] + [0, 127.5, 51], atol=1)


def test_the_heat_map_goes_from_blue_over_green_to_red(draw):
    chances = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 64, axis=0)
    drawn = draw(noise(), chances, effect="heat", opacity=1, refine=False)[60, :, :3]
    assert drawn[4].argmax() == 2
    assert drawn[80].argmax() == 1
    assert drawn[155].argmax() == 0


def test_a_cut_out_is_transparent_where_nobody_is(draw):
    frame = noise()
    drawn = draw(frame, half(), effect="cutout")
    assert (drawn[:, LEFT, 3] == 0).all()
    assert (drawn[:, RIGHT, 3] == 255).all()
    np.testing.assert_array_equal(drawn[:, RIGHT, :3], frame[:, RIGHT])


@pytest.mark.parametrize("effect", ["none", "mask", "blur", "color", "cutout"])
def test_a_mirror_flips_what_is_seen_and_nothing_else(draw, effect):
    frame = noise()
    plain = draw(frame, half(), effect=effect)
    np.testing.assert_allclose(draw(frame, half(), effect=effect, mirror=True), plain[:, ::-1], atol=2)


@pytest.mark.parametrize(("width", "height"), [(160, 60), (60, 160), (160, 120)])
def test_a_background_picture_covers_the_frame_and_is_not_mirrored(draw, width, height):
    behind = cv2.GaussianBlur(noise(height, width, seed=2), (0, 0), 6)
    drawn = draw(noise(), np.zeros((64, 64)), effect="picture", picture=picture(behind), mirror=True)
    scale = max(160 / width, 120 / height)
    # Pixel (x, y) of the canvas lies at this place of the picture, which is centred.
    x = (np.arange(160) + 0.5 - 80) / scale + width / 2 - 0.5
    y = (np.arange(120) + 0.5 - 60) / scale + height / 2 - 0.5
    grid = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    expected = cv2.remap(behind, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(drawn[..., :3], expected, atol=3)


def test_the_blur_leaves_the_person_alone_and_takes_nothing_of_them_along(draw):
    frame = np.full((240, 320, 3), (20, 60, 200), np.uint8)
    frame[:, 160:] = (250, 40, 10)
    drawn = draw(frame, half(), effect="blur", blur=24)[..., :3]
    np.testing.assert_array_equal(drawn[:, 176:], frame[:, 176:])
    np.testing.assert_allclose(drawn[:, :150], frame[:, :150], atol=2)


def test_the_blur_is_a_gaussian_of_the_background(draw):
    frame = cv2.GaussianBlur(noise(240, 320), (0, 0), 4)
    drawn = draw(frame, np.zeros((64, 64)), effect="blur", blur=20)[..., :3]
    expected = cv2.GaussianBlur(frame, (0, 0), 10, borderType=cv2.BORDER_REPLICATE)
    inner = (slice(40, 200), slice(40, 280))
    assert np.abs(drawn[inner].astype(float) - expected[inner]).mean() < 2
    assert drawn[inner].std() < 0.6 * frame[inner].std()


def test_a_mask_lies_where_its_region_is(draw):
    """A region that is turned by 30 degrees, all of it person."""
    angle, (x, y, width, height) = np.pi / 6, (150, 110, 120, 60)
    c, s = np.cos(angle), np.sin(angle)
    a, b, d, e = c * width, -s * height, s * width, c * height
    matrix = (a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)
    drawn = draw(noise(240, 320), np.ones((32, 64)), matrix, effect="cutout")
    expected = np.zeros((240, 320), np.uint8)
    cv2.fillConvexPoly(expected, np.int32(np.round(cv2.boxPoints(((x, y), (width, height), 30)))), 1)
    assert iou(drawn[..., 3] > 127, expected > 0) > 0.97


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def person():
    """Give a frame (480, 640, 3), and which of its pixels are person: a head, shoulders and five thin fingers."""
    y, x = np.mgrid[:480, :640]
    inside = ((x - 320) / 130) ** 2 + ((y - 200) / 150) ** 2 < 1
    inside |= (abs(x - 320) < 180) & (y > 300)
    for finger in range(5):
        inside |= (abs(x - (150 + 60 * finger)) < 8) & (y > 60) & (y < 300)
    light, dark = (190, 140, 110) + 25 * np.sin(x / 9)[..., None], (70, 100, 130) + 25 * np.cos(y / 13)[..., None]
    frame = np.where(inside[..., None], light, dark) + np.random.default_rng(1).normal(0, 8, (480, 640, 3))
    return frame.clip(0, 255).astype(np.uint8), inside


@pytest.mark.parametrize(("size", "off"), [(256, 0), (256, 1), (128, 0), (128, 1)])
def test_a_small_mask_follows_the_edges_of_the_picture(draw, size, off):
    """A network's mask is soft, and may be a pixel off; its enlargement must be nearer to the truth than a bilinear."""
    frame, inside = person()
    small = cv2.resize(inside.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(np.roll(small, off, axis=1), (0, 0), 1)
    plain = iou(draw(frame, small, effect="cutout", refine=False)[..., 3] > 127, inside)
    refined = iou(draw(frame, small, effect="cutout")[..., 3] > 127, inside)
    assert refined > 0.99
    assert 1 - refined < 0.4 * (1 - plain)


def test_a_large_frame_is_drawn_no_larger_than_asked_but_kept_whole(studio):
    canvas, film, still = studio.evaluate(
        """async (mask) => {
          const compositor = new studio.Compositor(new OffscreenCanvas(1, 1));
          const image = await createImageBitmap(new ImageData(3840, 2160));
          const frame = new VideoFrame(image, { timestamp: 0 });
          const kept = [];
          for (const source of [frame, image]) {
            compositor.draw(source, 3840, 2160, studio.read(mask), { effect: "color", limit: 960 });
            const { width, height } = compositor.canvas;
            if (!kept.length) kept.push([width, height]);
            const snapshot = await createImageBitmap(await compositor.snapshot());
            kept.push([snapshot.width, snapshot.height]);
          }
          frame.close();
          compositor.dispose();
          return kept;
        }""",
        packed(half(), (3840, 0, 0, 0, 2160, 0)),
    )
    assert canvas == [960, 540]
    assert film == [3840, 2160]
    assert still == [2048, 1152]  # of a still picture no more is drawn


def test_as_much_of_a_large_picture_is_hidden_as_of_a_small_one(studio):
    """Lengths count pixels of a picture of 2048: in a photograph, cells and blurs would be too fine to hide."""
    drawn = studio.evaluate(
        """async (mask) => {
          const drawn = [];
          for (const [kept, counted] of [[2048, 2048], [4096, 8192]]) {
            const canvas = new OffscreenCanvas(kept, kept / 2);
            const context = canvas.getContext("2d");
            context.fillStyle = "white";
            context.fillRect(0, 0, kept, kept);
            context.fillStyle = "black";
            context.fillRect(0, 0, kept / 2, kept);
            const image = canvas.transferToImageBitmap();
            const compositor = new studio.Compositor(new OffscreenCanvas(1, 1));
            const nobody = { ...studio.read(mask), matrix: [counted, 0, 0, 0, counted / 2, 0] };
            compositor.draw(image, counted, counted / 2, nobody, { effect: "blur", blur: 200, limit: 512 });
            drawn.push(await studio.png(await compositor.snapshot()));
            compositor.dispose();
          }
          return drawn;
        }""",
        packed(np.zeros((64, 64)), (2048, 0, 0, 0, 1024, 0)),
    )
    small, large = (unpacked(each)[..., :3].astype(int) for each in drawn)
    assert small.shape == large.shape == (1024, 2048, 3)
    assert np.abs(small - large).mean() < 1
    assert 40 < small[512, 970].mean() < 120  # soft some fifty pixels from the edge


@pytest.mark.parametrize(
    ("init", "corners"),
    [
        # Corners from the top left, row by row; the frame as recorded: green, blue, red, blue.
        ({}, "lime blue red blue"),
        ({"rotation": 90}, "red lime blue blue"),
        ({"rotation": 180}, "blue red blue lime"),
        ({"rotation": 270}, "blue blue lime red"),
        ({"displayWidth": 24, "displayHeight": 8}, "lime blue red blue"),
        ({"visibleRect": {"x": 8, "y": 0, "width": 8, "height": 8}}, "blue blue blue blue"),
    ],
)
def test_frames_of_a_phone_held_upright_stand_upright(studio, init, corners):
    drawn = studio.evaluate(
        """async (init) => {
          const canvas = new OffscreenCanvas(16, 8);
          const context = canvas.getContext("2d");
          for (const [color, ...box] of [["red", 0, 4, 8, 4], ["lime", 0, 0, 8, 4], ["blue", 8, 0, 8, 8]]) {
            context.fillStyle = color;
            context.fillRect(...box);
          }
          const frame = new VideoFrame(canvas, { timestamp: 0, ...init });
          const compositor = new studio.Compositor(new OffscreenCanvas(1, 1));
          compositor.draw(frame, frame.displayWidth, frame.displayHeight, null, {});
          frame.close();
          const drawn = await studio.png(await compositor.snapshot());
          compositor.dispose();
          return drawn;
        }""",
        init,
    )
    drawn = unpacked(drawn)[..., :3]
    names = {(255, 0, 0): "red", (0, 255, 0): "lime", (0, 0, 255): "blue"}
    found = [drawn[y, x] for y in (1, -2) for x in (1, -2)]
    assert [names[tuple(255 * (color > 127))] for color in found] == corners.split()


def test_nothing_is_made_anew_for_each_frame(studio):
    made = studio.evaluate(
        """async (given) => {
          const counts = {};
          const gl = WebGL2RenderingContext.prototype;
          for (const name of ["createTexture", "createFramebuffer", "createProgram", "texStorage2D"]) {
            const real = gl[name];
            gl[name] = function (...args) { counts[name] = (counts[name] ?? 0) + 1; return real.apply(this, args); };
          }
          const compositor = new studio.Compositor(new OffscreenCanvas(1, 1));
          const image = await studio.bitmap(given.frame);
          const mask = studio.read(given.mask);
          const effects = ["mask", "blur", "color", "cutout", "heat", "parts", "people", "hide", "bokeh", "dim"];
          for (const effect of effects) compositor.draw(image, 160, 120, mask, { effect });
          const before = JSON.stringify(counts);
          for (const effect of effects) compositor.draw(image, 160, 120, mask, { effect });
          compositor.dispose();
          return [before, JSON.stringify(counts)];
        }""",
        {"frame": picture(noise()), "mask": packed(half(), (160, 0, 0, 0, 120, 0))},
    )
    assert "createTexture" in made[0]
    assert made[0] == made[1]


def test_the_last_frame_is_drawn_again_for_another_view_and_after_a_reset_of_the_driver(studio):
    frame, mask = noise(), packed(half(), (160, 0, 0, 0, 120, 0))
    again, told = studio.evaluate(
        """async (given) => {
          const told = [];
          const on = { lost: () => told.push("lost"), restored: () => told.push("restored") };
          const compositor = new studio.Compositor(new OffscreenCanvas(1, 1), on);
          const image = await studio.bitmap(given.frame);
          const mask = studio.read(given.mask);
          compositor.draw(image, 160, 120, mask, { effect: "none" });
          compositor.redraw({ effect: "cutout" });
          const again = await studio.png(await compositor.snapshot());
          const reset = compositor.canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          reset.loseContext();
          await new Promise((resolve) => setTimeout(resolve, 50));
          compositor.draw(image, 160, 120, mask, { effect: "cutout" });
          told.push(await compositor.snapshot().catch((error) => error.message));
          reset.restoreContext();
          while (compositor.lost) await new Promise((resolve) => setTimeout(resolve, 10));
          await new Promise((resolve) => setTimeout(resolve, 50));
          told.push(await compositor.snapshot().catch((error) => error.message));
          compositor.draw(image, 160, 120, mask, { effect: "cutout" });
          told.push((await studio.png(await compositor.snapshot())) === again);
          compositor.dispose();
          return [again, told];
        }""",
        {"frame": picture(frame), "mask": mask},
    )
    np.testing.assert_array_equal(unpacked(again)[:, RIGHT, :3], frame[:, RIGHT])
    lost, why_lost, restored, why_restored, same = told
    assert (lost, restored, same) == ("lost", "restored", True)
    assert "driver took the canvas away" in why_lost
    assert "Nothing is drawn yet" in why_restored


def test_a_browser_without_webgl2_is_told_so(studio):
    message = studio.evaluate(
        """() => {
          const canvas = new OffscreenCanvas(1, 1);
          canvas.getContext("2d"); // which leaves it no other
          try { new studio.Compositor(canvas); } catch (error) { return error.message; }
        }"""
    )
    assert message == "getContext('webgl2') gave nothing in a worker."
