"""Body parts from skeletons, on figures whose every part is known, and against BodyPix's reference."""

from dataclasses import replace

import numpy as np
import pytest
from references import MIRROR, read, three_people, with_media, with_mirror

import bodylens
from bodylens import Frame, People, bodypix
from bodylens.bodypix import PART_NAMES
from bodylens.limb_parts import ROUND, capsules, hidden_parts, limb_parts
from bodylens.topology import BLAZEPOSE, COCO

# A figure seen from the front: its left is on the right. Shoulders 40 wide, 200 high.
FIGURE = {
    "nose": (100, 40), "left_eye": (104, 36), "right_eye": (96, 36), "left_ear": (109, 38), "right_ear": (91, 38),
    "left_shoulder": (120, 70), "right_shoulder": (80, 70), "left_elbow": (145, 95), "right_elbow": (55, 95),
    "left_wrist": (165, 120), "right_wrist": (35, 120), "left_hip": (114, 130), "right_hip": (86, 130),
    "left_knee": (118, 165), "right_knee": (82, 165), "left_ankle": (120, 200), "right_ankle": (80, 200),
}  # fmt: skip
# The parts without front and back.
PLAIN = [PART_NAMES.index(name.replace("_back", "_front")) for name in PART_NAMES]
FRAME = Frame(0, 0.0, 200, 240)
ALL = np.ones((240, 200), bool)


def people(*figures, topology=COCO, depths=None, missing=()):
    known = [[figure.get(name, (0, 0)) for name in topology.names] for figure in figures]
    keypoints = np.array(known, np.float32)
    if depths is not None:
        deep = [[depths.get(name, 0) for name in topology.names] for _ in figures]
        keypoints = np.concatenate([keypoints, np.array(deep, np.float32)[..., None]], axis=2)
    sure = [[float(name in figure and name not in missing) for name in topology.names] for figure in figures]
    n = len(figures)
    return People(
        FRAME,
        np.arange(n, dtype=np.int32),
        np.ones(n, np.float32),
        np.zeros((n, 4), np.float32),
        keypoints,
        np.array(sure, np.float32),
        names=topology.names,
    )


def part_at(parts, x, y):
    return PART_NAMES[parts[round(y), round(x)]]


def between(a, b, figure=FIGURE):
    return np.mean([figure[a], figure[b]], axis=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_limbs_seen_from_the_front(side):
    parts, owners = limb_parts(people(FIGURE), ALL)
    assert part_at(parts, *between(f"{side}_shoulder", f"{side}_elbow")) == f"{side}_upper_arm_front"
    assert part_at(parts, *between(f"{side}_elbow", f"{side}_wrist")) == f"{side}_lower_arm_front"
    assert part_at(parts, *between(f"{side}_hip", f"{side}_knee")) == f"{side}_upper_leg_front"
    assert part_at(parts, *between(f"{side}_knee", f"{side}_ankle")) == f"{side}_lower_leg_front"
    assert part_at(parts, *FIGURE[f"{side}_ear"]) == f"{side}_face"
    wrist, elbow = np.array(FIGURE[f"{side}_wrist"]), np.array(FIGURE[f"{side}_elbow"])
    assert part_at(parts, *(wrist + (wrist - elbow) * 0.4)) == f"{side}_hand"
    assert part_at(parts, FIGURE[f"{side}_ankle"][0], 206) == f"{side}_feet"
    assert part_at(parts, 100, 100) == "torso_front"
    assert (owners == 0).all()


def test_a_figure_whose_left_is_on_the_left_is_seen_from_behind():
    turned = {name: (200 - x, y) for name, (x, y) in FIGURE.items() if name not in ("nose", "left_eye", "right_eye")}
    parts, _ = limb_parts(people(turned), ALL)
    assert part_at(parts, 100, 100) == "torso_back"
    assert part_at(parts, *between("left_hip", "left_knee", turned)) == "left_upper_leg_back"


def test_a_figure_upside_down_is_still_seen_from_the_front():
    turned = {name: (200 - x, 240 - y) for name, (x, y) in FIGURE.items()}
    parts, _ = limb_parts(people(turned), ALL)
    assert part_at(parts, 100, 140) == "torso_front"


def test_of_two_crossing_limbs_the_nearer_one_is_on_top():
    crossing = FIGURE | {"left_elbow": (100, 100), "left_wrist": (75, 110)}
    for depth, on_top in ((-50, "left_lower_arm_front"), (50, "torso_front")):
        depths = {"left_elbow": depth, "left_wrist": depth}
        parts, _ = limb_parts(people(crossing, depths=depths), ALL)
        assert part_at(parts, 90, 104) == on_top


def test_blazepose_shows_hands_and_feet():
    hand = FIGURE | {
        "left_index": (180, 130), "left_pinky": (176, 136), "left_thumb": (172, 122),
        "left_heel": (118, 206), "left_foot_index": (132, 208),
    }  # fmt: skip
    parts, _ = limb_parts(people(hand, topology=BLAZEPOSE), ALL)
    assert part_at(parts, 178, 132) == "left_hand"
    assert part_at(parts, 131, 208) == "left_feet"


def test_every_pixel_goes_to_the_nearest_of_several_people():
    other = {name: (x * 0.4 + 120, y * 0.4) for name, (x, y) in FIGURE.items()}
    smaller = {name: (x * 0.4, y * 0.4 + 120) for name, (x, y) in FIGURE.items()}
    _, owners = limb_parts(people(other, smaller), ALL)
    assert owners[40, 160] == 0
    assert owners[160, 40] == 1


def test_outside_the_mask_there_is_nothing_and_inside_always_something():
    mask = np.zeros((240, 200), bool)
    mask[50:200, 40:160] = True
    parts, owners = limb_parts(people(FIGURE), mask)
    np.testing.assert_array_equal(parts >= 0, mask)
    np.testing.assert_array_equal(owners >= 0, mask)


def test_a_mask_of_another_size_covers_the_same_frame():
    whole, _ = limb_parts(people(FIGURE), ALL)
    half, _ = limb_parts(people(FIGURE), np.ones((120, 100), bool))
    assert (half == whole[1::2, 1::2]).mean() > 0.95


@pytest.mark.parametrize(
    "missing",
    [
        tuple(n for n in COCO.names if "hip" in n or "knee" in n or "ankle" in n),
        ("left_hip",),
        ("right_hip",),
        tuple(n for n in COCO.names if n not in ("left_eye", "right_eye", "nose")),
        ("left_eye", "right_eye", "nose"),
    ],
)
def test_what_is_not_seen_is_left_out(missing):
    parts, _ = limb_parts(people(FIGURE, missing=missing), ALL)
    assert (parts >= 0).all()
    seen = {PART_NAMES[p] for p in np.unique(parts)}
    if "left_knee" in missing:
        assert not {name for name in seen if "leg" in name or "feet" in name}


def test_nobody_and_nothing_give_nothing():
    none = People.none(FRAME, COCO.names)
    unsure = people(FIGURE, missing=COCO.names)
    for who in (none, unsure):
        parts, owners = limb_parts(who, ALL)
        assert (parts == -1).all()
        assert (owners == -1).all()
    assert (limb_parts(people(FIGURE), ~ALL)[0] == -1).all()


def by_the_rules(table, x, y):
    """The part and the person of one pixel, as the docstring of `capsules` says, line by line."""
    owners = {}
    for person in np.unique(table[:, 0]):
        best = (np.inf, np.inf, -1)
        for shape in np.unique(table[table[:, 0] == person, 11]):
            rows, lines = table[table[:, 11] == shape].astype(np.float64), []
            part, face, radius, solid = rows[0, [1, 2, 9, 10]]
            for a, b in zip(rows[:, 3:6], rows[:, 6:9], strict=True):
                length = (b - a)[:2] @ (b - a)[:2]
                t = np.clip((np.array([x, y]) - a[:2]) @ (b - a)[:2] / length, 0, 1) if length else 0
                at = a + t * (b - a)
                lines.append((np.hypot(*(at[:2] - (x, y))), at[2]))
            distance, depth = min(lines, key=lambda line: line[0])
            gap = distance - radius
            gap *= ROUND if face and gap > 0 else 1
            on_top = depth < best[1] if solid and gap < 0 and best[0] < 0 else gap < best[0]
            if on_top:
                best = (gap, depth, part)
        owners[int(person)] = best
    owner = min(owners, key=lambda person: owners[person][0])
    return owners[owner][2], owner


def scattered(topology, depth, seed):
    """Three figures whose keypoints are far from where they should be, some of them unsure."""
    rng = np.random.default_rng(seed)
    twins = {"index": "wrist", "pinky": "wrist", "thumb": "wrist", "heel": "ankle", "foot_index": "ankle"}

    def place(name):
        side, _, point = name.partition("_")
        x, y = FIGURE.get(name) or FIGURE.get(f"{side}_{twins.get(point)}") or FIGURE["nose"]
        return (x + rng.normal(0, 12), y + rng.normal(0, 12))

    who = people(*({name: place(name) for name in topology.names} for _ in range(3)), topology=topology)
    keypoints = who.keypoints
    if depth:
        keypoints = np.concatenate([keypoints, rng.normal(0, 30, (*keypoints.shape[:2], 1)).astype(np.float32)], axis=2)
    scores = rng.uniform(0, 1, who.keypoint_scores.shape).astype(np.float32)
    return replace(who, keypoints=keypoints, keypoint_scores=scores)


@pytest.mark.parametrize("depth", [False, True])
@pytest.mark.parametrize("topology", [COCO, BLAZEPOSE], ids=lambda topology: f"{len(topology)} keypoints")
def test_every_pixel_follows_from_the_capsules_by_their_rules(topology, depth):
    for seed in range(3):
        who = scattered(topology, depth, seed)
        parts, owners = limb_parts(who, np.ones((24, 20), bool))
        table = capsules(who)
        assert table.dtype == np.float32
        assert table.shape[1] == 12
        assert (table[:, 10] == depth).all()
        expected = [[by_the_rules(table, 10 * x + 5, 10 * y + 5) for x in range(20)] for y in range(24)]
        equal = (np.stack([parts, owners], axis=-1) == np.array(expected)).all(axis=-1)
        assert equal.mean() > 0.995  # the rules above are followed in float64


def test_capsules_of_one_shape_follow_one_another_and_are_alike():
    table = capsules(scattered(BLAZEPOSE, True, 5))
    assert (np.diff(table[:, 11]) >= 0).all()
    for shape in np.unique(table[:, 11]):
        same = table[table[:, 11] == shape][:, [0, 1, 2, 9, 10]]
        assert (same == same[0]).all()
    assert len(table) <= 3 * 37


def test_a_whole_figure_has_every_part_once_a_shape():
    table = capsules(people(FIGURE))
    seen = [PART_NAMES[int(number)] for number in table[:, 1]]
    assert seen.count("torso_front") == 7
    assert {name for name in PART_NAMES if not name.endswith("back")} == set(seen)
    assert np.isfinite(table).all()
    np.testing.assert_allclose(
        table[seen.index("left_lower_arm_front"), 3:10], [145, 95, 0, 165, 120, 0, 0.15 * 40 * 1.05], rtol=0.05
    )


def test_who_has_no_size_has_no_capsules():
    only = people(FIGURE, FIGURE, missing=("left_shoulder",))
    assert len(capsules(replace(only, keypoint_scores=np.zeros_like(only.keypoint_scores)))) == 0
    assert capsules(People.none(FRAME, COCO.names)).shape == (0, 12)
    broken = replace(only, keypoints=np.full_like(only.keypoints, np.nan))
    assert len(capsules(broken)) == 0


@with_media
@with_mirror
def test_it_is_near_to_what_bodypix_sees(monkeypatch):
    monkeypatch.setenv("BODYLENS_MIRROR", str(MIRROR))
    image = read("three_people.jpg")
    person, reference = three_people()
    found = bodylens.create_segmenter("bodypix-050").segment_people(image)
    parts, _ = limb_parts(found, person)
    without = {}
    for drop in ((), ("_front", "_back"), ("_front", "_back", "left_", "right_")):
        names = list(PART_NAMES)
        for word in drop:
            names = [name.replace(word, "") for name in names]
        number = np.array([*(sorted(set(names)).index(name) for name in names), -1])
        without[drop] = (number[parts] == number[reference])[person].mean()
    print(f"\nparts from skeletons equal BodyPix's on {without[()]:.3f} of the person;", end=" ")
    print(f"but for front and back {list(without.values())[1]:.3f}, but for sides too {list(without.values())[2]:.3f}")
    assert without[()] > 0.6
    assert without["_front", "_back"] > 0.7


def skeleton_of(system, image):
    """A person's skeleton and mask: BlazePose has both, MoveNet's mask is Selfie Segmentation's."""
    if system == "blazepose-full":
        people = bodylens.create_detector(system, enable_segmentation=True, static_image_mode=True).estimate_poses(
            image
        )
        return people, people.read_mask() > 0.5
    mask = bodylens.create_segmenter("selfie-general").estimate(image).read_mask() > 0.5
    return bodylens.create_detector(system).estimate_poses(image), mask


@with_media
@with_mirror
@pytest.mark.parametrize("system", ["blazepose-full", "movenet-lightning", "movenet-thunder"])
@pytest.mark.parametrize(("name", "least"), [("pose.jpg", 0.67), ("portrait.jpg", 0.55)])
def test_other_systems_skeletons_and_masks_give_nearly_the_parts_of_bodypix(monkeypatch, system, name, least):
    monkeypatch.setenv("BODYLENS_MIRROR", str(MIRROR))
    image = read(name)
    people, mask = skeleton_of(system, image)
    parts, _ = limb_parts(people, mask)
    theirs = bodypix.segment_person_parts(bodylens.create_segmenter("bodypix-050"), image).data
    both = mask & (theirs >= 0)
    overlap = both.sum() / (mask | (theirs >= 0)).sum()
    without = np.array([PLAIN[part] for part in range(24)] + [-1])
    equal, plainly = (parts == theirs)[both].mean(), (without[parts] == without[theirs])[both].mean()
    print(f"\n{name}, {system}: BodyPix's part on {equal:.3f} of the pixels that both call a person,", end=" ")
    print(f"but for front and back {plainly:.3f}; the masks' IoU is {overlap:.3f}", end="")
    assert both.sum() > 20_000
    assert plainly > least


@with_media
@with_mirror
def test_each_of_three_skeletons_gets_the_pixels_that_bodypix_gives_that_person(monkeypatch):
    monkeypatch.setenv("BODYLENS_MIRROR", str(MIRROR))
    net = bodylens.create_segmenter("bodypix-050", multi_segmentation=True, segment_body_parts=True)
    people = net.segment_people(read("three_people.jpg"))
    theirs, inside = people.segmentation.instances(), people.segmentation.person()
    assert len(people) == 3
    _, owners = limb_parts(people, inside)
    shares = [((owners == row) & (theirs == row)).sum() / ((owners == row) | (theirs == row)).sum() for row in range(3)]
    print(f"\neach person's pixels by skeletons and by long offsets: IoU {np.round(shares, 3)}", end="")
    assert min(shares) > 0.75


HEAD = {name for name in FIGURE if name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")}
BODY = limb_parts(people(FIGURE), ALL)[0] >= 0
FACE_AT, CHEST_AT, KNEE_AT = (38, 100), (100, 100), (165, 118)


def near(table_of, radii):
    """Say which pixels are within so many radii of a body's lines."""
    y, x = np.mgrid[:240, :200] + 0.5
    inside = np.zeros((240, 200), bool)
    for row in capsules(table_of):
        a, along = row[3:5], row[6:8] - row[3:5]
        t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max((along**2).sum(), 1e-9), 0, 1)
        inside |= np.hypot(x - a[0] - t * along[0], y - a[1] - t * along[1]) <= radii * row[9]
    return inside


def test_a_face_is_hidden_with_a_margin_whatever_the_mask_says():
    figure = people(FIGURE)
    shape = near(figure, 1)
    face = limb_parts(figure, shape)[0] <= 1
    face &= shape
    for mask in (np.zeros_like(shape), shape, shape & ~face):
        hidden = hidden_parts(figure, mask)
        assert hidden[face].all()
        assert hidden.sum() > 1.5 * face.sum()
        assert hidden[FACE_AT]
        assert not hidden[CHEST_AT]
        assert not hidden[KNEE_AT]
        assert not hidden[230, 10]


def test_of_who_has_no_face_all_is_hidden_and_more():
    figure = people(FIGURE, missing=HEAD)
    hidden = hidden_parts(figure, np.zeros((240, 200), bool))
    assert hidden[near(figure, 3)].all()
    assert hidden[FACE_AT], "where the head must be"
    arms = [PART_NAMES.index(f"{side}_lower_arm_{face}") for side in ("left", "right") for face in ("front", "back")]
    assert not hidden_parts(figure, near(figure, 1), arms)[CHEST_AT], "only faces are looked for"


def test_what_no_body_explains_may_be_somebody_else():
    figure = people(FIGURE)
    person = near(figure, 1)
    person[200:, :30] = True
    hidden = hidden_parts(figure, person)
    assert hidden[205:235, 2:15].all()
    assert not hidden[CHEST_AT]
    person[140:, :70] = True  # more than a third of the mask
    assert hidden_parts(figure, person)[person].all()
    assert not hidden_parts(figure, person)[10, 10]


def test_without_a_mask_only_bodies_are_known_to_be_no_faces_and_without_a_body_nothing_is():
    figure = people(FIGURE)
    hidden = hidden_parts(figure, None)
    assert hidden.shape == (240, 200)
    assert hidden[FACE_AT]
    assert hidden[~near(figure, 2.05)].all()
    assert not hidden[CHEST_AT]
    assert hidden_parts(people(), ALL[:30]).all()
    assert hidden_parts(people(), None).shape == (240, 200)


def test_what_is_hidden_is_the_same_at_any_size():
    figure, person = people(FIGURE), near(people(FIGURE), 1.2)
    small = hidden_parts(figure, person[::2, ::2])
    assert (small == hidden_parts(figure, person)[::2, ::2]).mean() > 0.99
