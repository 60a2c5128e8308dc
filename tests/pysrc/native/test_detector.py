"""Finding poses natively, with the real weights, against the references of the originals."""

import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens import Frame, Inferred, Region
from bodylens.movenet import MoveNet
from bodylens.movenet.decoding import decode, decode_several
from bodylens.native.crop import crop
from bodylens.native.driver import Model
from bodylens.pipeline import finish
from bodylens.topology import BLAZEPOSE, BLAZEPOSE_TO_COCO, COCO

PICTURES = Path(__file__).parents[2] / "pictures"
SHARED = Path(__file__).parents[4] / "shared"
MEDIA = SHARED / "media"
shared = pytest.mark.skipif(not MEDIA.is_dir(), reason="the reference pictures are not beside the checkout")

BLAZEPOSES = ["blazepose-lite", "blazepose-full", "blazepose-heavy"]


@pytest.fixture(scope="module")
def athlete():
    return bodylens.read_picture(MEDIA / "pose.jpg")


@pytest.fixture(scope="module")
def clip():
    return [frame for frame, _ in bodylens.frames(MEDIA / "pose_1.mp4")]


@pytest.fixture(scope="module")
def astronaut():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


def expected_landmarks():
    return np.array(json.loads((MEDIA / "pose_expected_blazepose.json").read_text())["landmarks_px"], np.float32)


@shared
@pytest.mark.parametrize("model", BLAZEPOSES)
def test_the_33_landmarks_of_the_reference_picture(model, athlete):
    people = bodylens.create_detector(model).estimate(athlete)
    assert len(people) == 1
    off = np.abs(people.keypoints[0, :, :2] - expected_landmarks())
    print(f"\n{model} on pose.jpg: at most {off.max():.1f} px off, {off.mean():.1f} on average")
    assert off.max() <= 15


@shared
def test_visibility_and_presence_of_the_reference_picture(athlete):
    text = (MEDIA / "pose_landmarks.pbtxt").read_text()
    values = re.findall(r"x: (\S+)\s+y: (\S+)\s+z: \S+\s+visibility: (\S+)\s+presence: (\S+)", text)[:33]
    want = np.array(values, np.float32)
    people = bodylens.create_detector("blazepose-full").estimate(athlete)
    np.testing.assert_allclose(people.keypoints[0, :, :2], want[:, :2] * [1000, 667], atol=15)
    np.testing.assert_allclose(people.keypoint_scores[0], want[:, 2], atol=0.05)
    np.testing.assert_allclose(people.presence[0], want[:, 3], atol=0.05)


@shared
@pytest.mark.parametrize("model", BLAZEPOSES)
def test_the_mask_of_the_reference_picture(model, athlete):
    want = bodylens.read_picture(MEDIA / "pose_segmentation.png")[..., 2] > 127  # the person is blue
    people = bodylens.create_segmenter(model, smooth_segmentation=False).segment_people(athlete)
    mask = people.read_mask() >= 0.5
    found = (mask & want).sum() / (mask | want).sum()
    print(f"\n{model} on pose.jpg: IoU {found:.4f}")
    assert found >= 0.94


@shared
@pytest.mark.parametrize("heads", [False, True], ids=["decoded in the network", "decoded here"])
def test_lightning_follows_the_reference_clip(heads, clip):
    want = json.loads((MEDIA / "pose_1.json").read_text())
    want = np.array([[[frame[name]["x"], frame[name]["y"]] for name in COCO.names] for frame in want])
    detector = bodylens.create_detector("movenet-lightning", heads=heads)
    people = [detector.estimate(frame, i * 0.033333) for i, frame in enumerate(clip)]
    assert {len(p) for p in people} == {1}
    off = np.abs(np.array([p.keypoints[0] for p in people]) - want)
    print(f"\nmovenet-lightning on pose_1.mp4: at most {off.max():.1f} px off, {off.mean():.1f} on average")
    assert off.max() <= 60
    assert {p.ids[0] for p in people} == {1}


@shared
@pytest.mark.parametrize("model", ["movenet-lightning", "movenet-thunder"])
def test_decoding_here_is_decoding_in_the_network(model, clip):
    whole, cut = Model.load(model, 0), Model.load(f"{model}+heads", 0)
    random = np.random.default_rng(0)
    for frame in clip[::10]:
        region = Region(288, 288, 420, 420, 0).scaled(random.uniform(0.8, 1.2))
        (poses,), (heads,) = whole.run(frame, region, ["poses"]), cut.run(frame, region, ["heads"])
        np.testing.assert_allclose(decode(heads), poses.reshape(17, 3), atol=1e-5)


@shared
@pytest.mark.parametrize(("variant", "shape"), [("", 1.0), ("+wide", 4 / 3)], ids=["square", "wide"])
def test_decoding_several_here_is_decoding_in_the_network(variant, shape):
    whole, cut = Model.load(f"movenet-multipose{variant}", 0), Model.load(f"movenet-multipose{variant}+heads", 0)
    for name in ("couple.jpg", "three_people.jpg"):
        picture = bodylens.read_picture(MEDIA / name)
        region = Region.whole(picture.shape[1], picture.shape[0]).letterboxed(shape)
        (poses,), (heads,) = whole.run(picture, region, ["poses"]), cut.run(picture, region, ["heads"])
        people = decode_several(heads)
        np.testing.assert_allclose(people, poses.reshape(6, 56)[: len(people)], atol=1e-5)


@shared
def test_int8_lightning_gives_the_reference_keypoints():
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    model = SHARED / "models" / "movenet_singlepose_lightning_int8.tflite"
    if not model.exists():
        pytest.skip("the int8 weights are not beside the checkout")
    text = (MEDIA / "squat_movenet_lightning_int8_reference.csv").read_text()
    want = np.array([[float(r["keypoint_x"]), float(r["keypoint_y"])] for r in csv.DictReader(text.splitlines())])
    picture = bodylens.read_picture(MEDIA / "squat.bmp")
    height, width = picture.shape[:2]
    network = litert.Interpreter(str(model))
    network.allocate_tensors()

    def answer(requests):
        pixels = crop(picture, requests[0].region, 192, 192, 0, 255)[0].transpose(1, 2, 0)
        network.set_tensor(network.get_input_details()[0]["index"], np.round(pixels).astype(np.uint8)[None])
        network.invoke()
        return [Inferred({"poses": network.get_tensor(network.get_output_details()[0]["index"])})]

    pipeline = MoveNet(enable_smoothing=False, min_score=0, heads=False)
    for i in range(3):  # the first looks at the middle, the next ones at the person
        people = finish(pipeline.estimate(Frame(i, i / 30, width, height)), answer)
    off = np.abs(people.keypoints[0] / [width, height] - want)
    print(f"\nmovenet-lightning int8 on squat.bmp: at most {off.max():.3f} of the picture off")
    assert off.max() <= 0.07


def turned(picture, degrees, scale=1.0):
    """Turn a picture about its middle, with room for it; gives it and the matrix that takes its pixels along."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    side = int(np.hypot(width, height) * scale)
    matrix[:, 2] += (side / 2 - width / 2, side / 2 - height / 2)
    return cv2.warpAffine(picture, matrix, (side, side)), matrix


@shared
@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180, 270], ids=lambda d: f"{d} degrees")
def test_people_are_found_and_followed_standing_lying_or_upside_down(degrees, athlete):
    picture, matrix = turned(athlete, degrees)
    detector = bodylens.create_detector("blazepose-full")
    want = expected_landmarks() @ matrix[:, :2].T + matrix[:, 2]
    size = np.linalg.norm(np.ptp(want, axis=0))
    for _ in range(5):
        people = detector.estimate(picture)
        assert people.ids.tolist() == [1]
    off = np.linalg.norm(people.keypoints[0, :, :2] - want, axis=1)
    print(f"\npose.jpg turned by {degrees}: at most {off.max():.1f} px off, {off.mean():.1f} on average")
    assert off.max() < 0.08 * size


@shared
@pytest.mark.parametrize("change", ["mirror", "half", "double", "letterbox"])
@pytest.mark.parametrize("model", ["blazepose-full", "movenet-lightning"])
def test_a_changed_picture_moves_the_keypoints_accordingly(model, change, athlete):
    plain = bodylens.create_detector(model).estimate(athlete).keypoints[0, :, :2]
    topology = BLAZEPOSE if model.startswith("blazepose") else COCO
    picture, back = {
        "mirror": (athlete[:, ::-1], lambda p: np.stack([1000 - p[:, 0], p[:, 1]], 1)[list(topology.mirror)]),
        "half": (cv2.resize(athlete, (500, 333), interpolation=cv2.INTER_AREA), lambda p: p * (2, 667 / 333)),
        "double": (cv2.resize(athlete, (2000, 1334)), lambda p: p / 2),
        "letterbox": (cv2.copyMakeBorder(athlete, 100, 100, 0, 0, cv2.BORDER_CONSTANT), lambda p: p - (0, 100)),
    }[change]
    people = bodylens.create_detector(model).estimate(np.ascontiguousarray(picture))
    off = np.linalg.norm(back(people.keypoints[0, :, :2]) - plain, axis=1)
    print(f"\n{model}, {change}: at most {off.max():.1f} px off, {off.mean():.1f} on average")
    assert off.mean() < 12


@shared
def test_several_people_each_with_a_mask():
    picture = bodylens.read_picture(MEDIA / "couple.jpg")
    detector = bodylens.create_detector("blazepose-full", max_poses=4, enable_segmentation=True)
    for _ in range(5):
        people = detector.estimate(picture)
    assert sorted(people.ids.tolist()) == [1, 2]
    masks = [people.read_mask(i) >= 0.5 for i in range(2)]
    for i, mask in enumerate(masks):
        x, y, w, h = people.boxes[i]
        inside = mask[max(int(y), 0) : int(y + h), max(int(x), 0) : int(x + w)]
        assert inside.mean() > 0.2
    assert (masks[0] & masks[1]).sum() < 0.2 * min(mask.sum() for mask in masks)


@shared
@pytest.mark.parametrize("tracker", ["bounding_box", "keypoint"])
def test_multipose_finds_both_and_keeps_their_ids_as_the_picture_moves(tracker):
    picture = bodylens.read_picture(MEDIA / "couple.jpg")
    detector = bodylens.create_detector("movenet-multipose", tracker_type=tracker)
    for i in range(8):
        people = detector.estimate(np.roll(picture, 8 * i, axis=1))
        assert set(people.ids.tolist()) >= {1, 2}


@pytest.fixture(scope="module")
def crossing():
    """A couple cut out of a picture and made to walk through each other, he behind her; where both are each time."""
    picture = bodylens.read_picture(MEDIA / "couple.jpg")
    picture = cv2.resize(picture, (960, 639), interpolation=cv2.INTER_AREA)
    detector = bodylens.create_detector("blazepose-full", max_poses=2, enable_segmentation=True)
    for _ in range(3):
        people = detector.estimate(picture)
    order = np.argsort(people.boxes[:, 0])
    cut = [(people.read_mask(int(i)), people.keypoints[i, :, :2]) for i in order]
    background = np.broadcast_to(picture[:, 20:60].mean(axis=1, keepdims=True), picture.shape)
    frames = []
    for at in np.linspace(0, 1, 61):
        drawn, places = background, []
        for (mask, keypoints), shift in zip(cut, (-200 + 600 * at, 250 - 600 * at), strict=True):
            move = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
            alpha = cv2.warpAffine(mask, move, (960, 639))[..., None]
            drawn = drawn * (1 - alpha) + cv2.warpAffine(picture, move, (960, 639)) * alpha
            places.append(keypoints + np.array([shift, 0]))
        frames.append((drawn.astype(np.uint8), places))
    return frames


@shared
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("blazepose-lite", {"max_poses": 2}),
        ("blazepose-full", {"max_poses": 4}),
        ("movenet-multipose", {"tracker_type": "bounding_box"}),
        ("movenet-multipose", {"tracker_type": "keypoint", "heads": True}),
    ],
)
def test_a_couple_who_cross_keep_their_ids(model, options, crossing):
    detector = bodylens.create_detector(model, **options)
    ids = []
    for i, (frame, places) in enumerate(crossing):
        people = detector.estimate(frame, i / 30)
        found = []
        for place in places:
            place = place if len(people.names) == 33 else place[list(BLAZEPOSE_TO_COCO)]
            off = np.linalg.norm(people.keypoints[:, :, :2] - place, axis=-1).mean(axis=1)
            found.append(int(people.ids[off.argmin()]) if len(off) and off.min() < 40 else 0)
        ids.append(tuple(found))
    missing = sum(0 in found for found in ids)
    print(f"\n{model} {options}: {missing} of 61 frames show only one")
    assert sorted(ids[0]) == [1, 2]
    assert ids[:25] == [ids[0]] * 25
    assert ids[-15:] == [ids[0]] * 15


def test_a_person_who_sits_is_found_by_every_system(astronaut):
    for model in ("blazepose-lite", "movenet-lightning", "movenet-thunder", "movenet-multipose"):
        detector = bodylens.create_detector(model)
        people = detector.estimate_poses(astronaut)
        assert len(people) == 1, model
        nose = people.keypoints[0, people.names.index("nose"), :2]
        np.testing.assert_allclose(nose, (224, 117), atol=20, err_msg=model)
        detector.reset()
        assert detector.estimate(astronaut).ids.tolist() == [1]


def test_a_still_gives_the_same_landmarks_every_time(astronaut):
    detector = bodylens.create_detector("blazepose-lite")
    still, again = (detector.estimate(astronaut, still=True).keypoints for _ in range(2))
    np.testing.assert_array_equal(still, again)
    detector.estimate(astronaut)
    assert np.abs(detector.estimate(astronaut).keypoints - still).max() > 0.1, "of a clip landmarks are calmed"


def test_flipped_results_are_of_the_mirrored_picture(astronaut):
    plain = bodylens.create_segmenter("blazepose-lite").estimate(astronaut)
    flipped = bodylens.create_segmenter("blazepose-lite", flip_horizontal=True).estimate(astronaut)
    np.testing.assert_allclose(flipped.keypoints[..., 0], 512 - 1 - plain.keypoints[..., 0], rtol=1e-5)
    np.testing.assert_allclose(flipped.read_mask()[:, ::-1], plain.read_mask(), atol=1e-3)


def test_nobody_is_nobody():
    empty = np.zeros((240, 320, 3), np.uint8)
    for model in ("blazepose-lite", "movenet-lightning", "movenet-multipose"):
        assert len(bodylens.create_detector(model).estimate(empty)) == 0, model


@shared
def test_the_one_person_of_a_clip_keeps_their_id_though_fragments_of_them_are_found(clip):
    detector = bodylens.create_detector("posenet-075", min_score=0)
    found = [detector.estimate(frame, i / 30) for i, frame in enumerate(clip[:50])]
    assert max(map(len, found)) > 1, "where nothing else is found, this test says nothing"
    assert {int(people.ids[people.scores.argmax()]) for people in found} == {1}
