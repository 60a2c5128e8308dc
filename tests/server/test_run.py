"""`bodylens run` on real pictures and real video files."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens import rle
from bodylens.native import media
from bodylens.native.picture import write_picture
from bodylens.native.writer import VideoWriter
from bodylens_server import command, drawing

PICTURES = Path(__file__).parents[1] / "pictures"
PORTRAIT = PICTURES / "astronaut.jpg"


def write_video(path, frames, rate=25, **options):
    with VideoWriter(path, rate, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def sliding(count):
    """The portrait, sliding to the left."""
    portrait = media.read_picture(PORTRAIT)
    return [np.ascontiguousarray(portrait[128:384, 8 * (i % 20) : 8 * (i % 20) + 320]) for i in range(count)]


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "portrait.avi", sliding(8))


@pytest.fixture
def couple(tmp_path):
    """Two people beside each other."""
    portrait = media.read_picture(PORTRAIT)
    path = tmp_path / "couple.png"
    write_picture(path, np.hstack([portrait, portrait[:, ::-1]]))
    return path


def run(*arguments):
    return command.main(["run", *map(str, arguments)])


def records_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def mask_of(record):
    return rle.decode(record["rle"], record["width"], record["height"])


def test_a_picture_gives_a_line_of_json(capsys):
    assert run(PORTRAIT) == 0
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record["frame"] == {"index": 0, "time": 0.0, "width": 512, "height": 512}
    (person,) = record["people"]
    x, y, w, h = person["box"]
    assert 0 <= x < x + w <= 512
    assert 0 <= y < y + h <= 512
    assert 0.3 < mask_of(record["mask"]).mean() < 0.8


def test_a_picture_gives_a_drawing_and_a_mask(tmp_path, capsys):
    assert run(PORTRAIT, "--out", tmp_path / "drawn.png", "--mask", tmp_path / "mask.png") == 0
    assert capsys.readouterr().out == ""
    picture, drawn = media.read_picture(PORTRAIT), media.read_picture(tmp_path / "drawn.png")
    mask = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (512, 512)
    changed = np.abs(drawn.astype(int) - picture).sum(-1)
    assert np.median(changed[mask == 255]) > 30, "the person is tinted"
    assert np.median(changed[mask == 0]) == 0, "the background is not"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.png", "mask.png"]


def test_a_video_gives_a_line_a_frame_with_its_time_and_a_video(video, tmp_path):
    lines, drawn = tmp_path / "people.jsonl", tmp_path / "drawn.mp4"
    assert run(video, "--json", lines, "--out", drawn, "--smoothing", "--model", "selfie-landscape") == 0
    records = records_of(lines)
    assert [r["frame"]["index"] for r in records] == list(range(8))
    np.testing.assert_allclose([r["frame"]["time"] for r in records], np.arange(8) / 25, atol=0.001)
    assert all(len(r["people"]) == 1 for r in records)
    frames = list(media.frames(drawn))
    np.testing.assert_allclose([time for _, time in frames], np.arange(8) / 25, atol=0.001)
    assert frames[0][0].shape == (256, 320, 3)


def test_a_detector_gives_named_keypoints_and_a_skeleton(tmp_path, capsys):
    options = ["--option", "enable_smoothing=false", "--out", tmp_path / "drawn.png", "--mask", tmp_path / "mask.png"]
    assert run(PORTRAIT, "--model", "blazepose-lite", *options, "--json", "-") == 0
    (person,) = json.loads(capsys.readouterr().out)["people"]
    names = {point["name"]: point for point in person["keypoints"]}
    assert len(names) == 33
    assert names["left_eye"]["x"] > names["right_eye"]["x"], "she looks at us"
    assert names["nose"]["presence"] > 0.9 > names["left_ankle"]["presence"], "her feet are not in the picture"
    assert len(person["world"]) == 33
    drawn, picture = media.read_picture(tmp_path / "drawn.png"), media.read_picture(PORTRAIT)
    x, y = (round(names["nose"][axis]) for axis in "xy")
    assert np.abs(drawn[y, x].astype(int) - picture[y, x]).sum() > 60
    assert media.read_picture(tmp_path / "mask.png").max() > 200


def test_nobody_is_an_empty_mask_and_the_run_goes_on(tmp_path):
    empty = [np.full((256, 320, 3), 90, np.uint8)] * 6
    source = write_video(tmp_path / "leaves.mp4", [*sliding(4), *empty, *sliding(2)])
    outputs = ["--out", tmp_path / "out.mp4", "--mask", tmp_path / "mask.mp4", "--json", tmp_path / "out.jsonl"]
    assert run(source, "--model", "blazepose-lite", *outputs) == 0
    records = records_of(tmp_path / "out.jsonl")
    assert [len(record["people"]) for record in records][:4] == [1] * 4
    assert [len(record["people"]) for record in records][6:10] == [0] * 4
    assert all(mask_of(record["mask"]).any() == bool(record["people"]) for record in records)
    masks = [mask for mask, _ in media.frames(tmp_path / "mask.mp4")]
    assert [mask.max() > 128 for mask in masks] == [bool(record["people"]) for record in records]
    assert len(list(media.frames(tmp_path / "out.mp4"))) == 12


def test_several_people_are_their_union_or_one_each(couple, tmp_path):
    model = ["--model", "blazepose-lite", "--option", "max_poses=2"]
    assert (
        run(couple, *model, "--mask", tmp_path / "m.png", "--json", tmp_path / "u.json", "--out", tmp_path / "o.png")
        == 0
    )
    (record,) = records_of(tmp_path / "u.json")
    assert len(record["people"]) == 2
    mask = media.read_picture(tmp_path / "m.png")[..., 0] > 127
    halves = [half.mean() for half in np.split(mask, 2, axis=1)]
    assert min(halves) > 0.15  # of the first person alone nothing lies in the other half
    union = mask_of(record["mask"])
    assert (union != mask).mean() < 0.01
    changed = np.abs(media.read_picture(tmp_path / "o.png").astype(int) - media.read_picture(couple)).sum(-1) > 30
    assert min(half.mean() for half in np.split(changed, 2, axis=1)) > 0.2, "both are tinted"

    assert run(couple, *model, "--masks", "each", "--mask", tmp_path / "m.png", "--json", tmp_path / "e.json") == 0
    (record,) = records_of(tmp_path / "e.json")
    assert "mask" not in record
    masks = [mask_of(one) for one in record["masks"]]
    for person, one in zip(record["people"], masks, strict=True):
        x, _, w, _ = person["box"]
        half = int(x + w / 2 > 512)
        assert np.split(one, 2, axis=1)[half].sum() > 0.95 * one.sum()
        file = media.read_picture(tmp_path / f"m-{person['id']}.png")[..., 0] > 127
        assert (file != one).mean() < 0.01
    assert ((masks[0] | masks[1]) != union).mean() < 0.01


def test_masks_one_each_of_a_video_are_as_long_as_it(tmp_path):
    portrait = media.read_picture(PORTRAIT)[::2, ::2]
    alone = np.hstack([portrait, np.full_like(portrait, 90)])
    both = np.hstack([portrait, portrait[:, ::-1]])
    source = write_video(tmp_path / "joins.mp4", [alone] * 4 + [both] * 8)
    options = [
        "--model",
        "bodypix-050",
        "--masks",
        "each",
        "--mask",
        tmp_path / "m.mp4",
        "--json",
        tmp_path / "m.jsonl",
    ]
    assert run(source, *options) == 0
    ids = [[person["id"] for person in record["people"]] for record in records_of(tmp_path / "m.jsonl")]
    assert len({*ids[0], *ids[-1]}) >= 2
    for person in {one for frame in ids for one in frame}:
        masks = [mask for mask, _ in media.frames(tmp_path / f"m-{person}.mp4")]
        assert [mask.max() > 128 for mask in masks] == [person in frame for frame in ids]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jpg"], "there is no file nowhere.jpg"),
        ([PICTURES], "is a folder: name one picture or video file in it"),
        ([PORTRAIT, PORTRAIT], "one file at a time, not 2"),
        ([Path(__file__)], "neither a picture nor a video"),
        ([PORTRAIT, "--model", "selfie"], "did you mean selfie-general"),
        ([PORTRAIT, "--threshold", "2"], "threshold must be a number above 0 and at most 1"),
        ([PORTRAIT, "--out", "drawn.xyz"], "no picture format has this ending; use .png or .jpg, of a video .mp4"),
        ([PORTRAIT, "--json", "people.csv"], "--json people.csv would hold JSON, not csv: name it .jsonl"),
        ([PORTRAIT, "--model", "movenet-multipose", "--option", "max_pose=2"], "did you mean max_poses?"),
        ([PORTRAIT, "--model", "movenet-lightning", "--threshold", "0.5"], "has no option 'threshold'"),
        ([PORTRAIT, "--model", "movenet-lightning", "--mask", "m.png"], "add --option mask_model=selfie-general"),
        (
            [PORTRAIT, "--model", "blazepose", "--option", "enable_segmentation=false", "--mask", "m.png"],
            "blazepose gives no mask with these options",
        ),
        ([PORTRAIT, "--masks", "each"], "needs a model that masks people one by one"),
        ([PORTRAIT, "--out", "no/such/drawn.png"], "there is no folder no/such; make it first"),
        ([PORTRAIT, "--out", PICTURES], "is a folder: name a file in it"),
        ([PORTRAIT, "--out", "one.png", "--mask", "./one.png"], "--out and --mask both name one.png"),
        ([PORTRAIT, "--out", "one.png", "--json", "/dev/full"], "--json /dev/full could not be written: No space left"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(arguments, said, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    told = capfd.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--out", "--mask", "--json"])
@pytest.mark.parametrize("how", ["name", "link", "hard link"])
def test_the_source_is_never_replaced(option, how, tmp_path, capfd):
    source = tmp_path / "source.txt.png"
    source.write_bytes(PORTRAIT.read_bytes())
    target = source if how == "name" else tmp_path / "other.png"
    if how == "link":
        target.symlink_to(source)
    elif how == "hard link":
        target.hardlink_to(source)
    assert run(source, option, target) == 2
    assert "would replace the source: give it another name" in capfd.readouterr().err
    assert source.read_bytes() == PORTRAIT.read_bytes()


def test_what_a_link_names_is_written_and_keeps_its_mode(tmp_path):
    real = tmp_path / "real.json"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link.json").symlink_to(real)
    assert run(PORTRAIT, "--json", tmp_path / "link.json") == 0
    assert (tmp_path / "link.json").is_symlink()
    assert len(records_of(real)) == 1
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_as_it_is():
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as lines:
        try:
            assert run(PORTRAIT, "--json", f"/dev/fd/{writing}") == 0
        finally:
            os.close(writing)
        assert json.loads(lines.read())["frame"]["width"] == 512


@pytest.mark.parametrize(("option", "name"), [("--out", "o.png"), ("--out", "o.mp4"), ("--json", "o.jsonl")])
def test_a_full_disk_leaves_what_was_there(option, name, video, tmp_path, capfd):
    target = tmp_path / name
    target.write_bytes(b"from before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        ended = run(PORTRAIT if name.endswith("png") else video, option, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended == 2
    told = capfd.readouterr().err
    assert f"{option} {target} could not be written: File too large; nothing of it is kept" in told
    assert len(told.strip().splitlines()) == 1
    assert target.read_bytes() == b"from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, video.name])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_whole_files(number, tmp_path):
    source = write_video(tmp_path / "long.mp4", sliding(400))
    arguments = ["run", source, "--model", "selfie-landscape", "--out", tmp_path / "out.mp4", "--json", "-"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bodylens_server.command", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        first = [process.stdout.readline() for _ in range(3)]
        process.send_signal(number)
        lines = [*first, *process.stdout]
        told = process.stderr.read()
    assert process.returncode == 128 + number
    assert told == f"bodylens: stopped after {len(lines)} frames; the results so far are kept\n"
    assert 3 <= len(lines) < 400
    assert len(list(media.frames(tmp_path / "out.mp4"))) == len(lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "out.mp4"]


def test_a_damaged_source_leaves_the_results_so_far(tmp_path, capfd):
    source = write_video(tmp_path / "broken.mkv", sliding(60))
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    outputs = ["--out", tmp_path / "out.mp4", "--json", tmp_path / "out.jsonl"]
    assert run(source, "--model", "selfie-landscape", *outputs) == 2
    count = len(records_of(tmp_path / "out.jsonl"))
    assert 0 < count < 60
    assert len(list(media.frames(tmp_path / "out.mp4"))) == count
    told = capfd.readouterr().err
    assert f"broken.mkv is damaged after {count} frames" in told
    assert told.endswith(f"the results of {count} frames are kept\n")
    assert len(told.splitlines()) == 1


def test_a_row_more_is_said(tmp_path, capfd):
    source = tmp_path / "odd.png"
    write_picture(source, np.ascontiguousarray(media.read_picture(PORTRAIT)[:255, :401]))
    assert run(source, "--out", tmp_path / "odd.mp4") == 0
    told = capfd.readouterr().err
    assert (
        told
        == f"bodylens: --out {tmp_path / 'odd.mp4'}: padded from 401 × 255 to 402 × 256, for video needs even sizes\n"
    )


def test_an_animation_gives_a_video(tmp_path):
    from PIL import Image

    frames = [Image.fromarray(frame) for frame in sliding(5)]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:], duration=[40, 80, 40, 40, 40])
    assert run(tmp_path / "in.webp", "--model", "selfie-landscape", "--out", tmp_path / "out.webm") == 0
    times = [time for _, time in media.frames(tmp_path / "out.webm")]
    np.testing.assert_allclose(times, [0, 0.04, 0.12, 0.16, 0.2], atol=0.001)


def test_several_frames_do_not_fit_into_one_picture(video, tmp_path, capfd):
    assert run(video, "--out", tmp_path / "one.png") == 2
    assert "give one.png a video's ending" in capfd.readouterr().err


def test_a_frame_that_cannot_be_encoded_leaves_nothing(tmp_path, capfd):
    write_picture(tmp_path / "wide.png", np.zeros((16, 17_000, 3), np.uint8))
    assert run(tmp_path / "wide.png", "--out", tmp_path / "wide.mp4") == 2
    assert "a frame of 17000 × 16 cannot be encoded as video: scale it down first" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["wide.png"]


def test_40_megapixels_take_less_than_a_gigabyte_and_a_half(tmp_path):
    source = tmp_path / "large.jpg"
    write_picture(source, cv2.resize(media.read_picture(PORTRAIT), (8000, 5000)))
    code = (
        "import resource, sys; from bodylens_server import command; assert command.main(sys.argv[1:]) == 0; "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = ["run", source, "--out", tmp_path / "out.jpg", "--mask", tmp_path / "mask.jpg"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    megabytes = int(done.stdout) / 1024
    print(f"\n{megabytes:.0f} MB")
    assert megabytes < 1500
    assert media.read_picture(tmp_path / "out.jpg").shape == (5000, 8000, 3)


def test_a_frame_is_drawn_on_at_little_cost():
    frame = cv2.resize(media.read_picture(PORTRAIT), (1280, 720))
    people = bodylens.create_detector("blazepose-lite", enable_segmentation=True).estimate(frame)
    mask = people.read_mask()
    drawing.draw(frame, people, mask)
    begun = os.times()
    for _ in range(20):
        drawing.draw(frame, people, mask)
    spent = os.times()
    each = (spent.user + spent.system - begun.user - begun.system) / 20
    print(f"\n{each * 1000:.1f} ms of CPU a frame of 720p")
    assert each < 0.025
