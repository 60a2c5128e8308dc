"""Parts of bodies, people one by one, and what is drawn with them, in the page: against the same in numpy."""

import numpy as np
import pytest
from painted import crowd, standing
from studio import draw_in, packed

from bodylens import Frame, People, Region, draw
from bodylens.instances import distances
from bodylens.limb_parts import capsules, hidden_parts, limb_parts
from bodylens.personlab import Poses
from bodylens.record import pack
from bodylens.segmentation import Segmentation
from bodylens.topology import COCO

WIDTH, HEIGHT, STRIDE = 320, 240, 16
FRAME = Frame(0, 0.0, WIDTH, HEIGHT)
CELLS = (16, 21)
# The first and last cells are centred on the first and last pixels of the input, which here is the frame.
REGION = Region.whole(WIDTH, HEIGHT).scaled(CELLS[1] * STRIDE / (WIDTH + 1), CELLS[0] * STRIDE / (HEIGHT + 1))
MATRIX = REGION.matrix().ravel()
LIST = [REGION.x, REGION.y, REGION.width, REGION.height, REGION.rotation]
# 24 colours whose bytes say which part they are; and the parts alone, all there is to see.
NUMBERED = [(i + 1, 2 * i, 255 - i) for i in range(24)]
BARE = {"opacity": 1, "edgeBlur": 0, "threshold": 0.7, "skeleton": False}


def smooth(rng, count):
    """Grids of logits as a network gives them, (count, h, w): hills, not noise."""
    small = rng.normal(0, 4, (count, 6, 7))
    grids = np.stack([np.kron(plane, np.ones((3, 3)))[: CELLS[0], : CELLS[1]] for plane in small])
    return (grids + rng.normal(0, 1, grids.shape)).astype(np.float32)


def people_of(poses, masks=(), depth=None):
    """People with sure keypoints (n, 17, 2) in pixels."""
    points = np.asarray(poses, np.float32)
    if depth is not None:
        points = np.concatenate([points, depth[..., None].astype(np.float32)], axis=2)
    n = len(points)
    return People(
        FRAME,
        np.arange(1, n + 1, dtype=np.int32),
        np.ones(n, np.float32),
        np.zeros((n, 4), np.float32),
        points,
        np.full((n, 17), 0.9, np.float32),
        names=COCO.names,
        masks=masks,
    )


def bodies(people, capsules=None, **maps):
    topology = {"names": COCO.names, "sides": ["middle"] * 17, "edges": []}
    planes = {name: packed(value, MATRIX, stride=STRIDE, keep=keep) for name, (value, keep) in maps.items()}
    return {"packed": pack(people, capsules).tolist(), "topology": topology, "region": LIST, **planes}


def late(logits):
    return packed(logits, MATRIX, late=True)


def decoded(drawn, frame):
    """Say which colour of `NUMBERED` each pixel has; -1 where it is the frame's."""
    return np.where((drawn[..., :3] == frame).all(axis=2), -1, drawn[..., 0].astype(int) - 1)


@pytest.fixture
def frame():
    return np.full((HEIGHT, WIDTH, 3), 200, np.uint8)


def agreement(here, there):
    share = (here == there).mean()
    print(f"\n{share:.4%} of the pixels agree")
    return share


def colors(table):
    return [[c / 255 for c in color] for color in table]


@pytest.mark.parametrize("seed", range(3))
def test_parts_are_those_of_numpy(studio, frame, seed):
    rng = np.random.default_rng(seed)
    logits, parts = smooth(rng, 1)[0], smooth(rng, 24)
    native = Segmentation(FRAME, REGION, logits, 0.7, parts).parts()
    given = bodies(people_of([standing(150, 120)]), parts=(parts, {}))
    view = {**BARE, "effect": "parts", "table": colors(NUMBERED)}
    drawn = draw_in(studio, frame, late(logits), given, **view)
    assert 0.2 < (native >= 0).mean() < 0.8
    assert len(np.unique(native)) > 15
    assert agreement(decoded(drawn, frame), native) > 0.9995


@pytest.mark.parametrize("count", [1, 2, 5, 15])
def test_people_are_told_apart_as_in_numpy(studio, frame, count):
    rng = np.random.default_rng(count)
    logits = smooth(rng, 1)[0]
    points = np.stack([standing(*rng.uniform([30, 60], [290, 190]), rng.uniform(0.6, 1.2)) for _ in range(count)])
    offsets = rng.normal(0, 30, (34, *CELLS)).astype(np.float32)
    poses = Poses(points, np.full((count, 17), 0.9, np.float32), np.ones(count, np.float32))
    near = np.ones(CELLS, bool)
    native = Segmentation(FRAME, REGION, logits, 0.7, None, distances(offsets, poses, STRIDE, near)).instances()
    # Keypoints of people are in pixels of the frame, those of poses between the middles of the outermost ones.
    keep = {"refineSteps": 10, "threshold": 0.3}
    given = bodies(people_of(points * [WIDTH / (WIDTH + 1), HEIGHT / (HEIGHT + 1)] + 0.5), offsets=(offsets, keep))
    drawn = draw_in(studio, frame, late(logits), given, effect="people", **BARE)
    shown = np.unique(drawn[..., :3].reshape(-1, 3), axis=0)
    assert len(shown) == 1 + min(len(np.unique(native[native >= 0])), 10)
    owner = np.full(native.shape, -1)
    for person in range(count):
        at = native == person
        if at.any():
            color = np.median(drawn[at][:, :3], axis=0)
            owner[(drawn[..., :3] == color).all(axis=2)] = person % 10
    assert agreement(owner, np.where(native < 0, -1, native % 10)) > 0.999


@pytest.mark.parametrize("depth", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_parts_from_skeletons_are_those_of_numpy(studio, frame, count, depth):
    rng = np.random.default_rng(7)
    points = crowd(rng, count, CELLS) if count > 1 else np.array([standing(160, 130, 1.8)])
    people = people_of(points, depth=rng.normal(0, 30, points.shape[:2]) if depth else None)
    whole = packed((rng.random((64, 64)) > 0.2).astype(np.float32), (WIDTH, 0, 0, 0, HEIGHT, 0))
    given = bodies(people, capsules(people))
    view = {**BARE, "threshold": 0.5, "table": colors(NUMBERED)}
    drawn = decoded(draw_in(studio, frame, whole, given, effect="parts", **view), frame)
    everywhere = limb_parts(people, np.ones(drawn.shape, bool))[0]
    at = drawn >= 0
    assert 0.5 < at.mean() < 0.95
    assert agreement(drawn[at], everywhere[at]) > 0.999


def test_without_a_mask_the_skeleton_is_all_there_is(studio, frame):
    people = people_of([standing(160, 130, 1.8)])
    given = bodies(people, capsules(people))
    view = {**BARE, "effect": "parts", "table": colors(NUMBERED)}
    drawn = decoded(draw_in(studio, frame, None, given, **view), frame)
    native = limb_parts(people, np.ones(drawn.shape, bool))[0]
    assert 0.05 < (drawn >= 0).mean() < 0.5
    assert agreement(drawn[drawn >= 0], native[drawn >= 0]) > 0.999


@pytest.fixture
def scene():
    """Give a picture, logits, parts, and the maps that numpy makes of them."""
    rng = np.random.default_rng(11)
    noise = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    logits, parts = smooth(rng, 1)[0], smooth(rng, 24)
    given = bodies(people_of([standing(150, 120)]), parts=(parts, {}))
    return image, late(logits), given, Segmentation(FRAME, REGION, logits, 0.7, parts)


EFFECTS = {
    "parts": (
        {"effect": "parts", "opacity": 0.7},
        lambda image, person, parts: draw.draw_mask(image, draw.to_colored_parts(parts, background=draw.CLEAR), 0.7),
    ),
    "parts of 2019, soft": (
        {"effect": "parts", "table": colors(draw.RAINBOW_2019), "opacity": 0.5, "edgeBlur": 4},
        lambda image, person, parts: draw.draw_mask(
            image, draw.to_colored_parts(parts, "rainbow-2019", draw.CLEAR), 0.5, 4
        ),
    ),
    "mask": (
        {"effect": "dim", "opacity": 0.7, "edgeBlur": 3},
        lambda image, person, parts: draw.draw_mask(image, draw.to_mask(person), 0.7, 3),
    ),
    "mask of the person, with its contour": (
        {"effect": "dim", "opacity": 0.6, "invert": True, "contour": True},
        lambda image, person, parts: draw.draw_mask(
            image, draw.to_mask(person, mask_background=False, draw_contour=True), 0.6
        ),
    ),
    "pixelate": (
        {"effect": "pixelate", "opacity": 0.7, "cell": 10},
        lambda image, person, parts: draw.pixelate(
            image, draw.to_colored_parts(parts, background=draw.CLEAR), 0.7, 0, cell_width=10
        ),
    ),
    "pixelate in odd cells": (
        {"effect": "pixelate", "opacity": 1, "cell": 13.5},
        lambda image, person, parts: draw.pixelate(
            image, draw.to_colored_parts(parts, background=draw.CLEAR), 1, 0, cell_width=13.5
        ),
    ),
    "bokeh": (
        {"effect": "bokeh", "blur": 3, "edgeBlur": 3},
        lambda image, person, parts: draw.bokeh(image, person, 3, 3),
    ),
    "blur parts": (
        {"effect": "hide", "blur": 8, "edgeBlur": 2, "hidden": [0, 1, 12]},
        lambda image, person, parts: draw.blur_parts(image, parts, blur=8, edge_blur=2),
    ),
    "wide": (
        {"effect": "bokeh", "blur": 20, "edgeBlur": 3},
        lambda image, person, parts: draw.bokeh(image, person, 20, 3),
    ),
    "blur parts, mirrored": (
        {"effect": "hide", "blur": 5, "edgeBlur": 0, "hidden": [3, 4], "mirror": True},
        lambda image, person, parts: draw.blur_parts(image, parts, blur=5, edge_blur=0, flip_horizontal=True),
    ),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_are_those_of_numpy(studio, scene, name):
    image, mask, given, maps = scene
    view, native = EFFECTS[name]
    parts = maps.hidden(view["hidden"]) if "hidden" in view else maps.parts()
    expected = native(image, maps.person(), parts).astype(int)
    drawn = draw_in(studio, image, mask, given, **{**BARE, **view})[..., :3].astype(int)
    gap = abs(drawn - expected)
    changed = abs(image.astype(int) - expected).mean()
    print(f"\n{name}: mean {gap.mean():.3f}, greatest {gap.max()}, of a change of {changed:.1f}")
    assert changed > 2
    assert gap.mean() < 0.5
    assert (gap > 3).mean() < 0.002


def test_plain_skeletons_are_those_of_numpy(studio, frame):
    people = people_of([standing(160, 130, 1.8)])
    given = bodies(people)
    given["topology"]["edges"] = [list(edge) for edge in COCO.edges]
    view = {"effect": "none", "plain": True, "color": [0, 1, 1], "skeleton": True}
    drawn = draw_in(studio, frame, None, given, **view)[..., :3].astype(int)
    expected = draw.draw_keypoints(draw.draw_skeleton(frame, people), people).astype(int)
    gap = abs(drawn - expected)
    assert abs(frame.astype(int) - expected).mean() > 1
    # Where lines lie one over the other, eight bits round each time.
    assert (gap > 3).mean() < 0.005
    assert gap.max() <= 10


NOBODY = people_of(np.empty((0, 17, 2)))
# What hides people, and what needs no mask to hide the background.
HIDING = {
    "hide": {"effect": "hide", "blur": 3},
    "pixelate": {"effect": "pixelate"},
    "parts, all of them": {"effect": "parts", "opacity": 1},
    "tint, all of it": {"effect": "mask", "opacity": 1},
    "people covered": {"effect": "dim", "opacity": 1, "invert": True},
}
BACKGROUND = {
    "color": ({"effect": "color", "color": [0, 0, 1]}, lambda image: np.broadcast_to([0, 0, 255], image.shape)),
    "cutout": ({"effect": "cutout"}, lambda image: np.zeros((*image.shape[:2], 4), int)),
    "dim": ({"effect": "dim", "opacity": 1}, lambda image: np.zeros(image.shape)),
    "bokeh": ({"effect": "bokeh", "blur": 6, "edgeBlur": 0}, lambda image: draw.bokeh(image, [], 6, 0)),
    "heat": ({"effect": "heat", "opacity": 1}, lambda image: np.broadcast_to([0, 0, 128], image.shape)),
}


def gap(drawn, expected):
    """Give the share of the values that differ by more than rounding."""
    return (abs(drawn[..., : expected.shape[2]].astype(float) - expected) > 3).mean()


@pytest.mark.parametrize("name", HIDING)
def test_where_nobody_is_found_what_hides_people_conceals_everything(studio, scene, name):
    image, mask, given, _ = scene
    view, concealed = {**BARE, **HIDING[name]}, draw.conceal(image)
    empty = late(np.full(CELLS, -9.0))
    for without in ((None, None), (None, bodies(NOBODY)), (empty, None), (empty, given), (empty, bodies(NOBODY))):
        assert gap(draw_in(studio, image, *without, **view), concealed) < 0.01
    # And before anything is known at all, whatever there may be.
    assert gap(draw_in(studio, image, mask, given, known=False, **view), concealed) < 0.01
    assert gap(draw_in(studio, image, mask, given, **view), concealed) > 0.3


@pytest.mark.parametrize("name", BACKGROUND)
def test_without_a_mask_what_hides_the_background_takes_all_for_background(studio, scene, name):
    image, (view, expected) = scene[0], BACKGROUND[name]
    for given, known in ((None, True), (bodies(NOBODY), True), (None, False)):
        assert gap(draw_in(studio, image, None, given, known=known, **{**BARE, **view}), expected(image)) < 0.01


def test_what_hides_nothing_shows_the_frame_where_nothing_is_known(studio, scene):
    for view in ({"effect": "parts", "opacity": 0.9}, {"effect": "mask", "opacity": 0.9}, {"effect": "none"}):
        drawn = draw_in(studio, scene[0], None, bodies(NOBODY), **{**BARE, **view})
        np.testing.assert_array_equal(drawn[..., :3], scene[0])


def test_parts_that_were_not_asked_for_are_not_known(studio, scene):
    """As when the effect was changed a moment ago: a skeleton without capsules, a mask without parts."""
    image, mask, _, _ = scene
    given = bodies(people_of([standing(150, 120)]))
    drawn = draw_in(studio, image, mask, given, **{**BARE, "effect": "hide"})
    assert gap(drawn, draw.conceal(image)) < 0.01


def test_of_whom_no_part_is_known_all_is_hidden(studio, scene):
    image, mask, _, maps = scene
    drawn = draw_in(studio, image, mask, None, **{**BARE, "effect": "hide", "blur": 8, "edgeBlur": 0})
    hidden = Segmentation(FRAME, REGION, maps.logits, 0.7).hidden((0, 1))
    assert hidden[maps.person()].all()
    assert gap(drawn, draw.blur_parts(image, hidden, blur=8, edge_blur=0)) < 0.002


FACELESS = standing(60, 130, 1.6), standing(240, 130, 1.6)
SKELETONS = {
    "one": ([standing(160, 130, 1.8)], 0),
    "three": ([standing(60, 130, 1.2), standing(160, 130, 1.4), standing(260, 130, 1.2)], 0),
    "one of two without a face": (FACELESS, 5),
}


@pytest.mark.parametrize("masked", ["everybody", "the half of them", "nobody", "not known", "found alone"])
@pytest.mark.parametrize("name", SKELETONS)
def test_what_is_hidden_of_skeletons_is_that_of_numpy(studio, scene, name, masked):
    image, (points, unseen) = scene[0], SKELETONS[name]
    people = people_of(points)
    people.keypoint_scores[0, :unseen] = 0.1
    columns = {"everybody": WIDTH, "the half of them": WIDTH // 2}.get(masked, 0)
    person = np.zeros((HEIGHT, WIDTH), bool)
    person[20:220, :columns] = True
    whole = packed(person.astype(np.float32), (WIDTH, 0, 0, 0, HEIGHT, 0))
    given = bodies(people, capsules(people))
    given["topology"]["alone"] = masked == "found alone"
    known = masked not in ("not known", "found alone")
    expected = hidden_parts(people, person if known else None)
    view = {**BARE, "threshold": 0.5, "effect": "hide", "blur": 8, "edgeBlur": 0}
    drawn = draw_in(studio, image, None if masked == "not known" else whole, given, **view)
    assert 0.01 < expected.mean() <= 1
    assert gap(drawn, draw.blur_parts(image, expected, blur=8, edge_blur=0)) < 0.004
