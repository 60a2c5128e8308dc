"""What is drawn with masks and skeletons, in numpy: for scripts, and as the measure of what the page draws.

Pictures are (h, w, 3) uint8 RGB; masks as pictures are (h, w, 4) uint8 RGBA, not premultiplied. Nothing is changed in
place.

ref: tfjs-models, body-pix/src/output_rendering_util.ts, shared/calculators/render_util.ts
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodylens.options import number
from bodylens.people import People
from bodylens.topology import TOPOLOGIES

Picture = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
Where = NDArray[np.bool_]
Colour = tuple[int, int, int, int]
Table = Sequence[tuple[int, int, int]]

# Colours of the 24 parts. ref: tfjs-models, body-pix/demo/part_color_scales.js (made with d3-scale-chromatic)
RAINBOW = (
    (110, 64, 170), (143, 61, 178), (178, 60, 178), (210, 62, 167), (238, 67, 149), (255, 78, 125), (255, 94, 99),
    (255, 115, 75), (255, 140, 56), (239, 167, 47), (217, 194, 49), (194, 219, 64), (175, 240, 91), (135, 245, 87),
    (96, 247, 96), (64, 243, 115), (40, 234, 141), (28, 219, 169), (26, 199, 194), (33, 176, 213), (47, 150, 224),
    (65, 125, 224), (84, 101, 214), (99, 81, 195),
)  # fmt: skip
WARM = (
    (110, 64, 170), (106, 72, 183), (100, 81, 196), (92, 91, 206), (84, 101, 214), (75, 113, 221), (66, 125, 224),
    (56, 138, 226), (48, 150, 224), (40, 163, 220), (33, 176, 214), (29, 188, 205), (26, 199, 194), (26, 210, 182),
    (28, 219, 169), (33, 227, 155), (41, 234, 141), (51, 240, 128), (64, 243, 116), (79, 246, 105), (96, 247, 97),
    (115, 246, 91), (134, 245, 88), (155, 243, 88),
)  # fmt: skip
SPECTRAL = (
    (158, 1, 66), (181, 26, 71), (202, 50, 74), (219, 73, 74), (232, 94, 73), (242, 117, 75), (248, 142, 83),
    (251, 167, 96), (253, 190, 112), (254, 210, 129), (254, 227, 149), (254, 240, 166), (251, 248, 176),
    (243, 249, 172), (231, 245, 163), (213, 238, 159), (190, 229, 160), (164, 218, 163), (137, 207, 165),
    (110, 192, 168), (86, 173, 174), (70, 150, 179), (67, 127, 180), (77, 103, 173),
)  # fmt: skip
# The first rainbow, of February 2019, holds the colours that were called warm soon after.
RAINBOW_2019 = WARM
TABLES: dict[str, Table] = {
    "rainbow": RAINBOW, "rainbow-2019": RAINBOW_2019, "warm": WARM, "spectral": SPECTRAL,
}  # fmt: skip

CLEAR: Colour = (0, 0, 0, 0)
BLACK: Colour = (0, 0, 0, 255)
WHITE: Colour = (255, 255, 255, 255)
CYAN: Colour = (0, 255, 255, 255)

FACE = (0, 1)

# Colours along the longer side of a picture in which nobody can be told.
CONCEALED = 16


def to_mask(
    person: Labels | Where | Sequence[Labels | Where],
    foreground: Colour = CLEAR,
    background: Colour = BLACK,
    mask_background: bool = True,
    draw_contour: bool = False,
    foreground_ids: Sequence[int] = (1,),
) -> Picture:
    """Colour persons and background.

    Args:
        person: (h, w), 0 and 1, or parts; or one such map for each person.
        foreground: of persons.
        background: of all else.
        mask_background: False swaps the two colours, so that persons are covered.
        draw_contour: also draw each map's contour, in cyan.
        foreground_ids: the values that count as person.

    Returns:
        (h, w, 4) uint8.

    Raises:
        ValueError: there is no map.

    """
    maps = _each(person)
    if not mask_background:
        foreground, background = background, foreground
    inside = [np.isin(one, foreground_ids) if one.dtype != np.bool_ else one for one in maps]
    out = np.empty((*inside[0].shape, 4), np.uint8)
    out[:] = background
    for one in inside:
        out[one] = foreground
        if draw_contour:
            out[contour(one)] = CYAN
    return out


def contour(inside: Where) -> Where:
    """Find the line along the border of an area, as the original draws it.

    A pixel of the area is at its border where one of its four diagonal neighbours is outside. There the two pixels
    diagonally above are drawn; those below are painted over when the original comes to their row.

    Args:
        inside: (h, w) bool.

    Returns:
        (h, w) bool.

    """
    line = np.zeros_like(inside)
    if min(inside.shape) < 3:
        return line
    middle = inside[1:-1, 1:-1]
    within = inside[:-2, :-2] & inside[:-2, 2:] & inside[2:, :-2] & inside[2:, 2:]
    border = middle & ~within
    line[:-2, :-2] |= border
    line[:-2, 2:] |= border
    return line


def to_colored_parts(
    parts: Labels | Sequence[Labels], table: str | Table = "rainbow", background: Colour = WHITE
) -> Picture:
    """Colour each part.

    Args:
        parts: (h, w), -1 … 23; or one such map for each person.
        table: "rainbow", "rainbow-2019", "warm", "spectral", or 24 colours (red, green, blue).
        background: where there is no part.

    Returns:
        (h, w, 4) uint8.

    Raises:
        ValueError: there is no map, no such table, or no colour for a part.

    """
    maps = _each(parts)
    if isinstance(table, str):
        if table not in TABLES:
            raise ValueError(f"there is no table {table!r}; there are {', '.join(TABLES)}")
        table = TABLES[table]
    highest = max(int(one.max(initial=-1)) for one in maps)
    if highest >= len(table):
        raise ValueError(f"the table has {len(table)} colours, none for part {highest}")
    # The last entry, which -1 reaches, is the background.
    colours = np.array([*((*colour[:3], 255) for colour in table), background], np.uint8)
    out: Picture = colours[maps[0]]
    for one in maps[1:]:
        out[one >= 0] = colours[one[one >= 0]]
    return out


def draw_mask(
    image: Picture,
    mask: Picture | Labels | Where | Sequence[Labels | Where] | None,
    opacity: float = 0.7,
    blur: float = 0,
    flip_horizontal: bool = False,
    mask_background: bool = True,
) -> Picture:
    """Lay a mask over a picture.

    Args:
        image: (h, w, 3).
        mask: (h, w, 4), as `to_mask` and `to_colored_parts` give it, or what `to_mask` takes; None leaves the picture
            as it is.
        opacity: 0 … 1.
        blur: of the mask, pixels, 0 … 20.
        flip_horizontal: mirror the result.
        mask_background: of maps of persons: cover the background; False covers the persons.

    Raises:
        ValueError: the sizes differ, a number is out of range, or there is no map.

    """
    number("opacity", opacity, 0, 1)
    number("blur", blur, 0, 20)
    out: NDArray[Any] = image
    if mask is not None:
        coloured = isinstance(mask, np.ndarray) and mask.ndim == 3
        colours: Any = mask if coloured else to_mask(mask, mask_background=mask_background)
        _require_same(image, colours)
        layer = blurred(_premultiplied(colours), blur, fade=True)
        out = _bytes(image * (1 - layer[..., 3:] * np.float32(opacity)) + layer[..., :3] * np.float32(255 * opacity))
    return _flipped(out, flip_horizontal)


def pixelate(
    image: Picture,
    mask: Picture,
    opacity: float = 0.7,
    blur: float = 0,
    flip_horizontal: bool = False,
    cell_width: float = 10.0,
) -> Picture:
    """Lay a mask over a picture in coarse cells with white lines between them.

    Args:
        image: (h, w, 3).
        mask: (h, w, 4), as `to_colored_parts` gives it.
        opacity: 0 … 1.
        blur: of the mask, pixels, 0 … 20.
        flip_horizontal: mirror the result.
        cell_width: pixels, 1 or more.

    Raises:
        ValueError: the sizes differ, or a number is out of range.

    """
    number("opacity", opacity, 0, 1)
    number("blur", blur, 0, 20)
    height, width = image.shape[:2]
    number("cell_width", cell_width, 1, min(height, width))
    _require_same(image, mask)
    layer = blurred(_premultiplied(mask), blur, fade=True)
    across, down = int(width / cell_width), int(height / cell_width)
    cells = _sampled(_sampled(layer, down, 0), across, 1)
    rows = ((np.arange(height) + 0.5) * (down / height)).astype(np.int32)
    columns = ((np.arange(width) + 0.5) * (across / width)).astype(np.int32)
    grid = cells[rows][:, columns] * np.float32(255)
    # A line one pixel wide between two pixels covers half of each.
    _rule(grid, cell_width, across, axis=1)
    _rule(grid, cell_width, down, axis=0)
    cover = np.float32(opacity)
    out = grid[..., :3] * cover + image * (1 - cover)
    return _flipped(_bytes(out), flip_horizontal)


def bokeh(
    image: Picture,
    person: Labels | Where | Sequence[Labels | Where],
    background_blur: float = 3,
    edge_blur: float = 3,
    flip_horizontal: bool = False,
) -> Picture:
    """Blur the background behind persons.

    Args:
        image: (h, w, 3).
        person: (h, w), 0 and 1; or one such map for each person; without any, all is blurred.
        background_blur: pixels, 0 … 20.
        edge_blur: of the line between person and background, pixels, 0 … 20.
        flip_horizontal: mirror the result.

    Raises:
        ValueError: the sizes differ, or a number is out of range.

    """
    if isinstance(person, Sequence) and not len(person):
        inside: Where = np.zeros(image.shape[:2], bool)
    else:
        inside = np.logical_or.reduce([one == 1 for one in _each(person)])
    return _kept(image, inside, background_blur, edge_blur, flip_horizontal)


def blur_parts(
    image: Picture,
    parts: Labels | Sequence[Labels],
    ids: Sequence[int] = FACE,
    blur: float = 3,
    edge_blur: float = 3,
    flip_horizontal: bool = False,
) -> Picture:
    """Blur parts of the body, such as faces.

    Where no map is given (nobody was segmented one by one) all is concealed: what is meant to hide fails on that side.

    Args:
        image: (h, w, 3).
        parts: (h, w), -1 … 23; or one such map for each person. Or (h, w) bool, where to blur, as
            `limb_parts.hidden_parts` and `Segmentation.hidden` give it: then the soft edge lies outside of it, and
            `ids` does not count.
        ids: the parts to blur; the face if not given.
        blur: pixels, 0 … 20.
        edge_blur: of the line between what is blurred and what is not, pixels, 0 … 20.
        flip_horizontal: mirror the result.

    Raises:
        ValueError: the sizes differ, or a number is out of range.

    """
    if isinstance(parts, Sequence) and not len(parts):
        return _flipped(conceal(image), flip_horizontal)
    maps = _each(parts)
    if maps[0].dtype == np.bool_:
        return _kept(image, ~np.logical_or.reduce(maps), blur, edge_blur, flip_horizontal, outside=True)
    sharp = to_mask(maps, draw_contour=True, foreground_ids=tuple(ids))[..., 3] > 0
    return _kept(image, sharp, blur, edge_blur, flip_horizontal)


def conceal(image: Picture) -> Picture:
    """Reduce a picture to so few colours that nobody can be told from it: `CONCEALED` along its longer side.

    Args:
        image: (h, w, 3).

    Returns:
        (h, w, 3) uint8.

    """
    cells: NDArray[np.float32] = image.astype(np.float32)
    for axis in (0, 1):
        shares, mix = _cells(image.shape[axis], max(image.shape[:2]))
        means = np.tensordot(shares, cells, axes=(1, axis))
        cells = np.moveaxis(np.tensordot(mix, means, axes=(1, 0)), 0, axis)
    return _bytes(cells)


def _cells(side: int, longest: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Divide the n pixels along a side into c cells.

    Returns:
        (c, n): the share of each pixel in each cell's mean; and (n, c): of each cell in each pixel, linearly between
        the middles of the cells.

    """
    count = max(1, int(CONCEALED * side / longest + 0.5))
    edges, pixels = np.arange(count + 1) * (side / count), np.arange(side)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    at = np.clip((pixels + 0.5) * (count / side) - 0.5, 0, count - 1)
    mix = np.maximum(0, 1 - abs(at[:, None] - np.arange(count)))
    return (np.clip(shares, 0, 1) * (count / side)).astype(np.float32), mix.astype(np.float32)


def _kept(
    image: Picture, sharp: Where, blur: float, edge_blur: float, flip_horizontal: bool, outside: bool = False
) -> Picture:
    """Keep part of a picture sharp and blur the rest; `outside` lets the soft edge begin where the sharp part does."""
    number("blur", blur, 0, 20)
    number("edge_blur", edge_blur, 0, 20)
    _require_same(image, sharp)
    cover = blurred(sharp[..., None].astype(np.float32), edge_blur, fade=True)
    if outside:
        cover = np.maximum(2 * cover - 1, 0) * sharp[..., None]
    out = image * cover + blurred(image.astype(np.float32), blur) * (1 - cover)
    return _flipped(_bytes(out), flip_horizontal)


def blurred(image: NDArray[np.float32], sigma: float, fade: bool = False) -> NDArray[np.float32]:
    """Blur by a Gaussian.

    Args:
        image: (h, w, c) float32.
        sigma: pixels; 0 leaves all as it is.
        fade: take what lies outside for 0, as with a layer that ends there; otherwise only what lies inside counts.

    Returns:
        (h, w, c) float32.

    """
    if not sigma:
        return image
    reach = int(np.ceil(sigma * 3))
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights = (weights / (weights[0] + 2 * weights[1:].sum())).astype(np.float32)
    return _blurred_along(_blurred_along(image, weights, 0, fade), weights, 1, fade)


def _blurred_along(
    image: NDArray[np.float32], weights: NDArray[np.float32], axis: int, fade: bool
) -> NDArray[np.float32]:
    out: NDArray[np.float32] = image * weights[0]
    lines = np.moveaxis(image, axis, 0)
    into: NDArray[np.float32] = np.moveaxis(out, axis, 0)
    count = len(lines)
    total = np.full(count, weights[0], np.float32)
    for step in range(1, min(len(weights), count)):
        part = lines * weights[step]
        into[step:] += part[:-step]
        into[:-step] += part[step:]
        total[step:] += weights[step]
        total[:-step] += weights[step]
    if not fade:
        into /= total.reshape(-1, *(1,) * (image.ndim - 1))
    return out


def _sampled(image: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Take fewer lines along an axis, between the two nearest to the middle of each, as a canvas does."""
    length = image.shape[axis]
    at = (np.arange(count) + 0.5) * (length / count) - 0.5
    low = at.astype(np.int32)
    part = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    out: NDArray[np.float32] = image.take(low, axis) * (1 - part)
    out += image.take(np.minimum(low + 1, length - 1), axis) * part
    return out


def _rule(grid: NDArray[np.float32], cell_width: float, count: int, axis: int) -> None:
    """Draw white lines at every multiple of the cell width, in place."""
    lines = np.moveaxis(grid, axis, 0)
    for line in range(count):
        at = cell_width * line
        for pixel in range(int(np.floor(at - 0.5)), int(np.floor(at + 0.5)) + 1):
            cover = min(pixel + 1, at + 0.5) - max(pixel, at - 0.5)
            if 0 <= pixel < len(lines) and cover > 0:
                lines[pixel] += (255 - lines[pixel]) * np.float32(cover)


def draw_keypoints(
    image: Picture,
    people: People,
    min_score: float = 0.3,
    radius: float = 4.0,
    color: tuple[int, int, int] = (0, 255, 255),
) -> Picture:
    """Draw a disc at each keypoint whose score reaches `min_score`.

    Args:
        image: (h, w, 3), the frame.
        people: whose.
        min_score: 0 … 1.
        radius: pixels.
        color: red, green, blue.

    Raises:
        ValueError: a number is out of range.

    """
    number("min_score", min_score, 0, 1)
    number("radius", radius, 0)
    out = image.copy()
    sure = people.keypoint_scores >= min_score
    for x, y in people.keypoints[sure][:, :2].tolist():
        _capsule(out, (x, y), (x, y), radius, color)
    return out


def draw_skeleton(
    image: Picture,
    people: People,
    min_score: float = 0.3,
    width: float = 2.0,
    color: tuple[int, int, int] = (0, 255, 255),
) -> Picture:
    """Draw a line between joined keypoints whose scores both reach `min_score`.

    Args:
        image: (h, w, 3), the frame.
        people: whose; keypoints of COCO or of BlazePose.
        min_score: 0 … 1.
        width: pixels.
        color: red, green, blue.

    Raises:
        ValueError: a number is out of range.

    """
    number("min_score", min_score, 0, 1)
    number("width", width, 0)
    edges = next((t.edges for t in TOPOLOGIES.values() if t.names == people.names), ())
    out = image.copy()
    for keypoints, scores in zip(people.keypoints, people.keypoint_scores, strict=True):
        for a, b in edges:
            if min(scores[a], scores[b]) >= min_score:
                start, end = keypoints[a, :2].tolist(), keypoints[b, :2].tolist()
                _capsule(out, (start[0], start[1]), (end[0], end[1]), width / 2, color)
    return out


def _capsule(
    picture: Picture,
    start: tuple[float, float],
    end: tuple[float, float],
    radius: float,
    color: tuple[int, int, int],
) -> None:
    """Draw all that is within a radius of a line, in place, its edge one pixel soft."""
    height, width = picture.shape[:2]
    reach = radius + 1
    left, right = max(int(min(start[0], end[0]) - reach), 0), min(int(max(start[0], end[0]) + reach) + 1, width)
    top, bottom = max(int(min(start[1], end[1]) - reach), 0), min(int(max(start[1], end[1]) + reach) + 1, height)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - start[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - start[1])
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    t = np.clip((x * along[0] + y * along[1]) / length, 0, 1) if length else np.zeros((1, 1), np.float32)
    away = np.hypot(x - t * along[0], y - t * along[1])
    cover = np.clip(radius + 0.5 - away, 0, 1)[..., None]
    patch = picture[top:bottom, left:right]
    patch[...] = _bytes(patch + (np.array(color, np.float32) - patch) * cover)


def _each(maps: Any) -> list[NDArray[Any]]:  # noqa: ANN401
    arrays = [np.asarray(maps)] if isinstance(maps, np.ndarray) else [np.asarray(one) for one in maps]
    if not arrays:
        raise ValueError("there is no map to draw: nobody was segmented")
    for one in arrays:
        _require_same(arrays[0], one)
    return arrays


def _premultiplied(mask: Picture) -> NDArray[np.float32]:
    """Give (h, w, 4) float32, 0 … 1, colours times opacity."""
    layer = mask * np.float32(1 / 255)
    layer[..., :3] *= layer[..., 3:]
    return layer


def _bytes(picture: NDArray[Any]) -> Picture:
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _flipped(picture: NDArray[Any], flip_horizontal: bool) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1]) if flip_horizontal else picture.copy()


def _require_same(image: NDArray[Any], mask: NDArray[Any]) -> None:
    if image.shape[:2] != mask.shape[:2]:
        a, b = image.shape, mask.shape
        raise ValueError(f"the picture has {a[1]} × {a[0]} pixels, but the mask has {b[1]} × {b[0]}")
