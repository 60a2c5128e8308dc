"""`bodylens run` on real pictures and a real video file."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodylens import rle
from bodylens.native import media
from bodylens_server import command

PICTURES = Path(__file__).parents[1] / "pictures"
PORTRAIT = PICTURES / "astronaut.jpg"


@pytest.fixture
def video(tmp_path):
    """Write eight frames of the portrait, sliding to the left."""
    portrait = media.read_picture(PORTRAIT)
    path = tmp_path / "portrait.avi"
    with media.VideoWriter(path, 25) as writer:
        for i in range(8):
            writer.write(np.ascontiguousarray(portrait[128:384, 8 * i : 8 * i + 320]))
    return path


def run(*arguments):
    return command.main(["run", *map(str, arguments)])


def test_a_picture_gives_a_line_of_json(capsys):
    assert run(PORTRAIT) == 0
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["frame"] == {"index": 0, "time": 0.0, "width": 512, "height": 512}
    (person,) = record["people"]
    x, y, w, h = person["box"]
    assert 0 <= x < x + w <= 512
    assert 0 <= y < y + h <= 512
    mask = rle.decode(record["mask"]["rle"], record["mask"]["width"], record["mask"]["height"])
    assert 0.3 < mask.mean() < 0.8


def test_a_picture_gives_a_drawing_and_a_mask(tmp_path, capsys):
    assert run(PORTRAIT, "--out", tmp_path / "drawn.png", "--mask", tmp_path / "mask.png") == 0
    assert capsys.readouterr().out == ""
    picture, drawn = media.read_picture(PORTRAIT), media.read_picture(tmp_path / "drawn.png")
    mask = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (512, 512)
    changed = np.abs(drawn.astype(int) - picture).sum(-1)
    assert np.median(changed[mask == 255]) > 30, "the person is tinted"
    assert np.median(changed[mask == 0]) == 0, "the background is not"


def test_a_video_gives_a_line_a_frame_with_its_time_and_a_video(video, tmp_path):
    lines, drawn = tmp_path / "people.jsonl", tmp_path / "drawn.mp4"
    assert run(video, "--json", lines, "--out", drawn, "--smoothing", "--model", "selfie-landscape") == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [r["frame"]["index"] for r in records] == list(range(8))
    np.testing.assert_allclose([r["frame"]["time"] for r in records], np.arange(8) / 25, atol=0.005)
    assert all(len(r["people"]) == 1 for r in records)
    frames = list(media.frames(drawn))
    assert len(frames) == 8
    assert frames[0][0].shape == (256, 320, 3)


def test_a_detector_gives_named_keypoints_and_a_skeleton(tmp_path, capsys):
    options = ["--option", "enable_smoothing=false", "--out", tmp_path / "drawn.png", "--mask", tmp_path / "mask.png"]
    assert run(PORTRAIT, "--model", "blazepose-lite", *options, "--json", "-") == 0
    (person,) = json.loads(capsys.readouterr().out)["people"]
    names = {point["name"]: point for point in person["keypoints"]}
    assert len(names) == 33
    assert names["left_eye"]["x"] > names["right_eye"]["x"], "she looks at us"
    assert len(person["world"]) == 33
    drawn, picture = media.read_picture(tmp_path / "drawn.png"), media.read_picture(PORTRAIT)
    x, y = (round(names["nose"][axis]) for axis in "xy")
    assert np.abs(drawn[y, x].astype(int) - picture[y, x]).sum() > 60
    assert media.read_picture(tmp_path / "mask.png").max() > 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jpg"], "there is no file nowhere.jpg"),
        ([Path(__file__)], "neither a picture nor a video"),
        ([PORTRAIT, "--model", "selfie"], "did you mean selfie-general"),
        ([PORTRAIT, "--threshold", "2"], "threshold must be a number above 0 and at most 1"),
        ([PORTRAIT, "--out", "drawn.xyz"], "no picture format has this ending"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(arguments, said, capfd):
    assert run(*arguments) == 2
    told = capfd.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_several_frames_do_not_fit_into_one_picture(video, tmp_path, capfd):
    assert run(video, "--out", tmp_path / "one.png") == 2
    assert "give one.png a video's ending" in capfd.readouterr().err
