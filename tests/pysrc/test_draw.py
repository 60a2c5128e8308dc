"""Masks, effects and skeletons, against the pictures that the original drew from the same masks."""

import numpy as np
import pytest
from references import read, three_people, with_media

from bodylens import Frame, People, draw
from bodylens.topology import COCO

GREY = np.full((40, 60, 3), 100, np.uint8)
SQUARE = np.zeros((40, 60), bool)
SQUARE[10:30, 20:40] = True


def error(name, drawn, reference):
    """The mean difference of the colours, printed."""
    gap = np.abs(drawn[..., :3].astype(int) - reference[..., :3].astype(int))
    print(f"\n{name}: mean {gap.mean():.3f}, greatest {gap.max()}, equal {(gap == 0).mean():.1%}")
    return gap.mean()


@with_media
def test_a_mask_is_exactly_the_originals():
    person, _ = three_people()
    drawn = draw.to_mask(person, draw.WHITE, draw.BLACK)
    np.testing.assert_array_equal(drawn, read("three_people_binary_mask.png"))


@with_media
def test_coloured_parts_are_exactly_the_originals():
    _, parts = three_people()
    np.testing.assert_array_equal(draw.to_colored_parts(parts), read("three_people_colored_mask.png"))


@with_media
@pytest.mark.parametrize(
    ("name", "tolerance"), [("draw_mask", 1), ("pixelated_mask", 1), ("bokeh_effect", 2.2), ("blur_body_parts", 2.2)]
)
def test_effects_are_the_originals_but_for_the_colour_profile_of_the_picture(name, tolerance):
    # The picture has a colour profile. Browsers apply it, OpenCV does not: 2.2 on average where nothing was drawn.
    image = read("three_people.jpg")
    person, parts = three_people()
    drawn = {
        "draw_mask": lambda: draw.draw_mask(image, draw.to_mask(person, draw.WHITE, draw.BLACK), 0.7, 3),
        "pixelated_mask": lambda: draw.pixelate(image, draw.to_colored_parts(parts)),
        "bokeh_effect": lambda: draw.bokeh(image, person),
        "blur_body_parts": lambda: draw.blur_parts(image, parts),
    }[name]()
    assert error(name, drawn, read(f"three_people_{name}.png")) < tolerance


def test_the_background_is_covered_by_default_and_persons_when_asked():
    assert draw.to_mask(SQUARE)[0, 0].tolist() == [0, 0, 0, 255]
    assert draw.to_mask(SQUARE)[20, 30].tolist() == [0, 0, 0, 0]
    assert draw.to_mask(SQUARE, mask_background=False)[0, 0].tolist() == [0, 0, 0, 0]
    assert draw.to_mask(SQUARE.astype(np.uint8), mask_background=False)[20, 30].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize("cover", [{}, {"mask_background": False}], ids=["the background", "persons"])
def test_a_map_of_persons_is_drawn_as_its_mask(cover):
    person = np.zeros(GREY.shape[:2], np.uint8)
    person[10:20, 5:30] = 1
    want = draw.draw_mask(GREY, draw.to_mask(person, **cover))
    assert (want != GREY).any(axis=-1)[0, 0] == (not cover)
    for given in (person, person > 0, [person]):
        np.testing.assert_array_equal(draw.draw_mask(GREY, given, **cover), want)


def test_several_masks_are_drawn_one_over_the_other():
    left, right = SQUARE.copy(), SQUARE.copy()
    left[:, 30:], right[:, :30] = False, False
    np.testing.assert_array_equal(draw.to_mask([left, right]), draw.to_mask(SQUARE))
    parts = [np.where(left, 3, -1), np.where(right, 5, -1)]
    coloured = draw.to_colored_parts(parts, "warm")
    assert tuple(coloured[20, 25]) == (*draw.WARM[3], 255)
    assert tuple(coloured[20, 35]) == (*draw.WARM[5], 255)
    assert tuple(coloured[0, 0]) == draw.WHITE


def test_a_contour_runs_along_the_border_as_plain_loops_draw_it():
    rng = np.random.default_rng(3)
    inside = rng.random((12, 15)) > 0.4
    expected = np.zeros_like(inside)
    for row in range(12):
        for column in range(15):
            expected[row, column] = False
            if inside[row, column] and 0 < row < 11 and 0 < column < 14:
                around = [inside[row + i, column + j] for i in (-1, 1) for j in (-1, 1)]
                if not all(around):
                    for i in (-1, 1):
                        for j in (-1, 1):
                            expected[row + i, column + j] = True
    np.testing.assert_array_equal(draw.contour(inside), expected)
    assert not draw.contour(np.ones((2, 2), bool)).any()
    assert (draw.to_mask(inside, draw_contour=True)[draw.contour(inside)] == draw.CYAN).all()


@pytest.mark.parametrize("table", draw.TABLES)
def test_every_table_has_24_colours(table):
    assert len(draw.TABLES[table]) == 24
    parts = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(draw.to_colored_parts(parts, table).reshape(24, 4)[:, :3], draw.TABLES[table])


def test_the_callers_own_table_is_taken_and_one_too_short_refused():
    table = [(i, 0, 0) for i in range(24)]
    assert draw.to_colored_parts(np.array([[7]]), table)[0, 0].tolist() == [7, 0, 0, 255]
    with pytest.raises(ValueError, match="the table has 3 colours, none for part 7"):
        draw.to_colored_parts(np.array([[7]]), table[:3])
    with pytest.raises(ValueError, match="there is no table 'cold'"):
        draw.to_colored_parts(np.array([[7]]), "cold")


def test_opacity_says_how_much_of_the_mask_is_seen():
    mask = draw.to_mask(SQUARE, background=(200, 0, 0, 255))
    assert draw.draw_mask(GREY, mask, 0.5)[0, 0].tolist() == [150, 50, 50]
    np.testing.assert_array_equal(draw.draw_mask(GREY, mask, 0), GREY)
    np.testing.assert_array_equal(draw.draw_mask(GREY, mask)[SQUARE], GREY[SQUARE])
    np.testing.assert_array_equal(draw.draw_mask(GREY, None), GREY)


def test_an_even_picture_stays_even_when_blurred_also_at_its_borders():
    np.testing.assert_array_equal(draw.bokeh(GREY, SQUARE, 20, 0), GREY)
    np.testing.assert_array_equal(draw.blur_parts(GREY, np.where(SQUARE, 0, -1), blur=7), GREY)


def test_a_blur_spreads_as_a_gaussian():
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    spread = draw.blurred(point, 3)[..., 0]
    x = np.arange(41) - 20
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert (spread.sum(axis=0) * x**2).sum() == pytest.approx(9, rel=0.05)


def test_persons_stay_sharp_and_without_a_person_all_is_blurred():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, GREY.shape, np.uint8)
    np.testing.assert_array_equal(draw.bokeh(image, SQUARE, edge_blur=0)[SQUARE], image[SQUARE])
    nobody = draw.bokeh(image, [])
    assert np.abs(np.diff(nobody.astype(int), axis=0)).mean() < np.abs(np.diff(image.astype(int), axis=0)).mean() / 3


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (7, 5), (1, 200)])
def test_a_concealed_picture_holds_at_most_16_colours_along_its_longer_side(height, width):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    out = draw.conceal(image)
    assert out.shape == image.shape
    across, down = (max(1, round(16 * side / max(height, width))) for side in (width, height))
    # Between the middles of the cells it is linear, so it has no more to say than the middles do.
    spectrum = np.linalg.svd(out[..., 0].astype(float), compute_uv=False)
    assert (spectrum[min(across, down) :] < 8).all()
    np.testing.assert_allclose(out.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=6)
    np.testing.assert_array_equal(draw.conceal(np.full_like(image, 77)), 77)
    # Where nobody was found, what is meant to hide hides everything, however small the blur.
    np.testing.assert_array_equal(draw.blur_parts(image, [], blur=0), out)
    np.testing.assert_array_equal(draw.blur_parts(image, [], flip_horizontal=True), out[:, ::-1])


def test_of_a_map_of_what_is_hidden_nothing_is_left_and_the_soft_edge_lies_outside():
    image = np.random.default_rng(0).integers(0, 256, GREY.shape, np.uint8)
    hard, soft = (draw.blur_parts(image, SQUARE, blur=4, edge_blur=edge) for edge in (0, 2))
    np.testing.assert_array_equal(soft[SQUARE], hard[SQUARE])
    np.testing.assert_array_equal(hard[~SQUARE], image[~SQUARE])
    assert (soft[~SQUARE] != image[~SQUARE]).any()
    np.testing.assert_array_equal(
        draw.blur_parts(image, [SQUARE, ~SQUARE], blur=4), draw.blur_parts(image, SQUARE | ~SQUARE, blur=4)
    )


def test_faces_are_blurred_and_nothing_else():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, GREY.shape, np.uint8)
    parts = np.where(SQUARE, 1, 12)
    out = draw.blur_parts(image, parts, edge_blur=0)
    assert (out[~SQUARE] == image[~SQUARE]).all()
    assert (out[12:28, 22:38] != image[12:28, 22:38]).mean() > 0.9


def test_effects_can_be_mirrored():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, GREY.shape, np.uint8)
    mask = draw.to_mask(SQUARE)
    for effect in (
        lambda **k: draw.draw_mask(image, mask, **k),
        lambda **k: draw.pixelate(image, mask, **k),
        lambda **k: draw.bokeh(image, SQUARE, **k),
        lambda **k: draw.blur_parts(image, np.where(SQUARE, 0, -1), **k),
    ):
        np.testing.assert_array_equal(effect(flip_horizontal=True), effect()[:, ::-1])


def test_a_picture_is_never_changed_in_place():
    image = GREY.copy()
    people = a_person([[30, 20]] * 17)
    for drawn in (
        draw.draw_mask(image, draw.to_mask(SQUARE)),
        draw.bokeh(image, SQUARE, 0, 0),
        draw.draw_keypoints(image, people),
        draw.draw_skeleton(image, people),
    ):
        assert drawn is not image
        np.testing.assert_array_equal(image, GREY)


def a_person(points, scores=1.0):
    keypoints = np.array([points], np.float32)
    return People(
        Frame(0, 0, 60, 40),
        np.zeros(1, np.int32),
        np.ones(1, np.float32),
        np.zeros((1, 4), np.float32),
        keypoints,
        np.full((1, 17), scores, np.float32),
        names=COCO.names,
    )


def test_a_keypoint_is_a_disc_and_a_bone_a_line():
    points = np.full((17, 2), -100)
    points[5], points[7] = (10.5, 20.5), (50.5, 20.5)
    disc = draw.draw_keypoints(GREY, a_person(points), radius=3, color=(255, 0, 0))
    assert disc[20, 10].tolist() == [255, 0, 0]
    red = (disc[..., 0] != 100).sum(axis=(0, 1))
    assert 2 * 20 < red < 2 * 50
    line = draw.draw_skeleton(GREY, a_person(points), width=2, color=(255, 0, 0))
    assert (line[20, 10:50] == [255, 0, 0]).all()
    assert (line[24] == 100).all()


def test_unsure_keypoints_are_not_drawn():
    people = a_person(np.full((17, 2), 20), scores=0.2)
    np.testing.assert_array_equal(draw.draw_keypoints(GREY, people), GREY)
    np.testing.assert_array_equal(draw.draw_skeleton(GREY, people), GREY)


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (lambda: draw.draw_mask(GREY, draw.to_mask(SQUARE), 1.5), "opacity must be a number from 0 to 1, not 1.5"),
        (lambda: draw.draw_mask(GREY, draw.to_mask(SQUARE), blur=30), "blur must be a number from 0 to 20, not 30"),
        (
            lambda: draw.pixelate(GREY, draw.to_mask(SQUARE), cell_width=0),
            "cell_width must be a number from 1 to 40, not 0",
        ),
        (lambda: draw.bokeh(GREY[:30], SQUARE), "the picture has 60 × 30 pixels, but the mask has 60 × 40"),
        (lambda: draw.to_mask([]), "there is no map to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(effect, message):
    with pytest.raises(ValueError, match=message):
        effect()
