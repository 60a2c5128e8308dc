"""Videos that are written: what browsers play, with each frame's time and the source's sound."""

import errno

import av
import numpy as np
import pytest
from clips import number_of, shade, write_clip

import bodylens
from bodylens.native.writer import VideoWriter

TIMES = [0, 33, 67, 100, 400, 433, 467, 500, 533, 567, 600, 633]


def write(path, frames, times=TIMES, **options):
    with VideoWriter(path, **options) as writer:
        for frame, time in zip(frames, times, strict=False):
            writer.write(frame, time / 1000)
    return writer


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "h264"), ("mov", "h264"), ("mkv", "h264"), ("webm", "vp9")])
def test_each_frame_keeps_its_time(tmp_path, ending, codec):
    path = tmp_path / f"out.{ending}"
    write(path, [shade(i) for i in range(12)])
    pictures, times = zip(*bodylens.frames(path), strict=True)
    np.testing.assert_allclose(times, np.array(TIMES) / 1000, atol=0.001)
    assert [number_of(picture) for picture in pictures] == list(range(12))
    assert np.abs(pictures[0][4:20, 4:28].astype(int) - (230, 20, 20)).mean() < 8, "colors are kept"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == (codec, "yuv420p")
        assert float(container.duration) / av.time_base == pytest.approx(0.667, abs=0.02), "the last frame lasts"


def test_times_begin_at_nothing_wherever_the_source_does(tmp_path):
    write(tmp_path / "out.mp4", [shade(i) for i in range(4)], [5000, 5033, 5067, 5100])
    assert [round(time, 3) for _, time in bodylens.frames(tmp_path / "out.mp4")] == [0, 0.033, 0.067, 0.1]


def test_avi_has_a_rate(tmp_path):
    write(tmp_path / "out.avi", [shade(i) for i in range(5)], rate=25)
    found = list(bodylens.frames(tmp_path / "out.avi"))
    np.testing.assert_allclose([time for _, time in found], np.arange(5) / 25, atol=0.001)
    assert [number_of(picture) for picture, _ in found] == list(range(5))


def test_odd_sizes_are_padded_and_told(tmp_path):
    writer = write(tmp_path / "odd.mp4", [shade(i, 63, 47) for i in range(3)])
    assert writer.notes == ["padded from 63 × 47 to 64 × 48, for video needs even sizes"]
    (picture, _), *_ = bodylens.frames(tmp_path / "odd.mp4")
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture[-1].astype(int) - picture[-3]).max() < 8


def test_frames_of_another_size_are_fitted(tmp_path):
    write(tmp_path / "two.mp4", [shade(3), shade(4, 32, 48), shade(5, 640, 100)])
    pictures = [picture.astype(int) for picture, _ in bodylens.frames(tmp_path / "two.mp4")]
    assert [picture.shape for picture in pictures] == [(48, 64, 3)] * 3
    assert pictures[1][:, :12].max() < 20, "black beside it"
    assert number_of(pictures[1][:, :44]) == 4
    assert pictures[2][:14].max() < 20, "black above it"


def test_grey_frames(tmp_path):
    write(tmp_path / "mask.mp4", [np.full((48, 64), 51 * i, np.uint8) for i in range(6)])
    means = [picture.mean() for picture, _ in bodylens.frames(tmp_path / "mask.mp4")]
    np.testing.assert_allclose(means, 51 * np.arange(6), atol=2)


def sound_of(path):
    """Codec, and when the sound of a file begins and ends."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        frames = list(container.decode(stream))
        loud = max(float(np.abs(frame.to_ndarray()).max()) for frame in frames)
        assert loud > 0.05, "it is heard"
        return stream.codec_context.name, frames[0].time, frames[-1].time + frames[-1].samples / stream.rate


@pytest.mark.parametrize(
    ("source", "sound", "target", "wanted"),
    [
        ("in.mp4", "aac", "out.mp4", "aac"),
        ("in.mkv", "libopus", "out.mp4", "aac"),
        ("in.mkv", "libopus", "out.webm", "opus"),
        ("in.mp4", "aac", "out.webm", "opus"),
        ("in.mkv", "flac", "out.mkv", "flac"),
    ],
)
def test_the_sound_comes_along(tmp_path, source, sound, target, wanted):
    times = [33 * i for i in range(40)]
    path = write_clip(tmp_path / source, times, sound=sound)
    frames = list(bodylens.frames(path))
    with VideoWriter(tmp_path / target, 30, path) as writer:
        for picture, time in frames:
            writer.write(picture, time)
    codec, begins, ends = sound_of(tmp_path / target)
    assert codec == wanted
    assert begins == pytest.approx(0, abs=0.05)
    assert ends == pytest.approx(1.28, abs=0.07)
    assert writer.notes == []
    assert [round(time, 2) for _, time in bodylens.frames(tmp_path / target)] == [round(t / 1000, 2) for t in times]


def test_what_ends_early_has_no_more_sound_than_frames(tmp_path):
    path = write_clip(tmp_path / "in.mp4", [33 * i for i in range(90)], sound="aac")
    with pytest.raises(InterruptedError), VideoWriter(tmp_path / "out.mp4", 30, path) as writer:
        for picture, time in bodylens.frames(path):
            if time > 1:
                raise InterruptedError
            writer.write(picture, time)
    _, _, ends = sound_of(tmp_path / "out.mp4")
    assert ends == pytest.approx(1.02, abs=0.07)


def test_where_a_format_has_no_sound_that_is_told(tmp_path):
    path = write_clip(tmp_path / "in.mp4", [0, 33, 67], sound="aac")
    writer = write(tmp_path / "out.avi", [shade(0)], sound=path)
    assert writer.notes == ["the sound of in.mp4 is left out: write .mp4, .mkv or .webm to keep it"]


def test_a_full_disk_is_an_error(tmp_path):
    (tmp_path / "out.mp4").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        write(
            tmp_path / "out.mp4",
            [np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8) for i in range(12)],
        )
    assert caught.value.errno == errno.ENOSPC


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no video format has this ending; use \.mp4"):
        VideoWriter(tmp_path / "out.xyz")
