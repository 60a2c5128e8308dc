"""Hiding faces natively, with the real weights: of who moves fast, of several people, of nobody."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens import draw
from bodylens.limb_parts import hidden_parts

PICTURES = Path(__file__).parents[2] / "pictures"
MEDIA = Path(os.environ.get("BODYLENS_MEDIA", ""))
# Eyes, nose, mouth, cheeks and forehead of the astronaut, x and y.
FACE = np.array([(205, 105), (240, 105), (222, 125), (222, 148), (195, 130), (250, 130), (222, 90)])


@pytest.fixture(scope="module")
def astronaut():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


def hidden_in(detector, image, time=None):
    people = detector.estimate_poses(image, time)
    return hidden_parts(people, people.read_mask() > 0.25)


def share(hidden, points):
    x, y = points.astype(int).T
    return hidden[y, x].mean()


@pytest.mark.parametrize("model", ["movenet-lightning", "blazepose-lite"])
def test_a_face_that_leaps_from_frame_to_frame_is_hidden_in_each(astronaut, model):
    detector = bodylens.create_detector(model, mask_model="selfie-general")
    person = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    sharp = []
    for i in range(16):
        left, top = 60 + 120 * (i % 2) + (7 * i) % 30, 100 + 20 * (i % 3)
        frame = np.full((400, 640, 3), 128, np.uint8)
        frame[top : top + 256, left : left + 256] = person
        hidden = hidden_in(detector, frame, i / 5)
        sharp += [i] if share(hidden, FACE / 2 + [left, top]) < 1 else []
    assert sharp == []


def test_both_of_two_faces_are_hidden_where_one_person_is_found(astronaut):
    detector = bodylens.create_detector("blazepose-lite", mask_model="selfie-general")
    image = np.hstack([astronaut, astronaut[:, ::-1]])
    people = detector.estimate_poses(image)
    assert len(people) == 1
    hidden = hidden_parts(people, people.read_mask() > 0.25)
    assert share(hidden, FACE) == share(hidden, [1023, 0] + FACE * [-1, 1]) == 1
    assert hidden.mean() < 0.8


@pytest.mark.parametrize("step", [3, 15])
def test_a_face_is_hidden_in_every_frame_of_a_clip(step):
    clip = MEDIA / "pose_1.mp4"
    if not clip.is_file():
        pytest.skip("BODYLENS_MEDIA names no folder with pose_1.mp4")
    frames = [frame for frame, _ in bodylens.frames(clip)][::step]
    detector = bodylens.create_detector("movenet-lightning", mask_model="selfie-general")
    reference = bodylens.create_detector("blazepose-full", enable_smoothing=False)
    sharp = []
    for i, frame in enumerate(frames):
        face = reference.estimate_poses(frame).keypoints[:1, :11, :2].reshape(-1, 2)
        sharp += [i] if share(hidden_in(detector, frame, i * step / 30), face) < 0.9 else []
    assert len(frames) > 5
    assert sharp == []


def test_where_nobody_is_everything_is_hidden():
    room = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    detector = bodylens.create_detector("movenet-lightning", mask_model="selfie-general")
    assert hidden_in(detector, room).all()
    left = draw.blur_parts(room, hidden_in(detector, room), blur=8)
    assert abs(np.diff(left.astype(int), axis=1)).mean() < 0.1 * abs(np.diff(room.astype(int), axis=1)).mean()
