"""Video files: every frame once, with its own time, upright, of the size at which it is shown; damage is reported."""

from fractions import Fraction

import numpy as np
import pytest
from clips import number_of, spoil, write_av1, write_clip

import bodylens
from bodylens.native import video

STEADY = [round(i * 1000 / 30) for i in range(20)]
RECORDED = [0, 39, 67, 106, 134, 173, 201, 240, 268, 307]
GAP = [*STEADY[:10], *(t + 333 for t in STEADY[10:])]


def of(path):
    return zip(*bodylens.frames(path), strict=True)


@pytest.mark.parametrize(
    ("name", "codec", "times", "wanted"),
    [
        ("steady.mp4", "libx264", STEADY, STEADY),
        ("gap.mp4", "libx264", GAP, GAP),
        ("recorder.webm", "libvpx", RECORDED, RECORDED),
        ("vp9.webm", "libvpx-vp9", RECORDED, RECORDED),
        ("5 s.mkv", "libx264", [5000 + t for t in STEADY], [5000 + t for t in STEADY]),
        ("slow.mp4", "libx264", [200 * i for i in range(6)], [200 * i for i in range(6)]),
        ("film.mkv", "libx264", [round(i * 1001 / 24) for i in range(9)], [round(i * 1001 / 24) for i in range(9)]),
        ("fast.mp4", "libx264", [20 * i for i in range(12)], [20 * i for i in range(12)]),
        ("av1.mp4", "libsvtav1", STEADY, STEADY),
        ("plain.avi", "mjpeg", STEADY, STEADY),
        ("old.avi", "mpeg4", STEADY, STEADY),
    ],
)
def test_every_frame_comes_with_its_own_time(tmp_path, capfd, name, codec, times, wanted):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = tmp_path / name
    if codec == "libsvtav1":
        write_av1(path, times)
    else:
        write_clip(path, times, codec, pixels=pixels)
    capfd.readouterr()  # some encoders talk
    pictures, found = of(path)
    np.testing.assert_allclose(found, np.array(wanted) / 1000, atol=0.001)
    assert [number_of(picture) for picture in pictures] == list(range(len(times)))
    assert pictures[0].shape == (48, 64, 3)
    assert capfd.readouterr() == ("", ""), "decoders keep their words to themselves"


def test_a_transport_stream_keeps_its_steps(tmp_path):
    _, found = of(write_clip(tmp_path / "clip.ts", GAP, container="mpegts"))
    np.testing.assert_allclose(np.array(found) - found[0], np.array(GAP) / 1000, atol=0.001)


def test_ten_bits_a_channel(tmp_path):
    pictures, _ = of(write_clip(tmp_path / "deep.mp4", STEADY, "libx265", pixels="yuv420p10le"))
    assert [number_of(picture) for picture in pictures] == list(range(20))


@pytest.mark.parametrize(("ratio", "shown"), [(Fraction(2), (48, 128)), (Fraction(8, 9), (54, 64))])
def test_frames_have_the_size_at_which_they_are_shown(tmp_path, ratio, shown):
    pictures, _ = of(write_clip(tmp_path / "narrow.mp4", STEADY[:3], ratio=ratio))
    assert {picture.shape[:2] for picture in pictures} == {shown}


@pytest.mark.parametrize(
    ("rotation", "red"),
    [
        ((0, False, False), (0, 0)),
        ((90, False, False), (1, 0)),  # counterclockwise: what was up is now at the left
        ((180, False, False), (1, 1)),
        ((-90, False, False), (0, 1)),
        ((0, True, False), (0, 1)),
        ((0, False, True), (1, 0)),
    ],
)
def test_frames_are_upright(tmp_path, rotation, red):
    (picture, *_), _ = of(write_clip(tmp_path / "turned.mp4", STEADY[:3], rotation=rotation))
    quarters = [[half[:, :20], half[:, -20:]] for half in (picture[:20], picture[-20:])]
    reddest = max(((r, c) for r in (0, 1) for c in (0, 1)), key=lambda at: int(quarters[at[0]][at[1]][..., 0].mean()))
    assert reddest == red
    assert picture.shape[:2] == ((64, 48) if abs(rotation[0]) == 90 else (48, 64))


def test_where_the_size_changes_each_frame_has_its_own_and_time_goes_on(tmp_path):
    one = write_clip(tmp_path / "one.ts", STEADY[:10], container="mpegts")
    other = write_clip(tmp_path / "other.ts", STEADY[:10], container="mpegts", size=(96, 54), first=10)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + other.read_bytes())
    pictures, times = of(joined)
    assert [picture.shape[:2] for picture in pictures] == [(48, 64)] * 10 + [(54, 96)] * 10
    assert [number_of(picture) for picture in pictures] == list(range(20))
    assert np.diff(times).min() > 0.02


def test_data_that_are_damaged_are_told_with_how_far_it_went(tmp_path, capfd):
    path = write_clip(
        tmp_path / "broken.mp4", [33 * i for i in range(90)], options={"bf": "0", "g": "30"}, size=(320, 240)
    )
    spoil(path, 0.5, 0.2)
    seen = []
    with pytest.raises(ValueError, match=r"broken.mp4 is damaged after (\d+) frames, at ([\d.]+) s") as caught:
        seen.extend(number_of(picture) for picture, _ in bodylens.frames(path))
    assert f"after {len(seen)} frames, at {33 * (len(seen) - 1) / 1000:.3f} s" in str(caught.value)
    assert len(seen) > 10
    assert seen == [index % 28 for index in range(len(seen))], "what came before is whole"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_file_that_was_cut_off_is_told(tmp_path, name):
    options = {"movflags": "faststart"}
    path = write_clip(tmp_path / name, [33 * i for i in range(120)], size=(320, 240))
    if name.endswith("mp4"):
        path = faststart(path, tmp_path / "first.mp4", options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = 0
    with pytest.raises(ValueError, match="the file ends before its video does"):
        for _ in bodylens.frames(path):
            seen += 1
    assert 20 < seen < 110


def faststart(path, out, options):
    """Put an mp4's index first, as files from the net have it."""
    import av

    with av.open(str(path)) as source, av.open(str(out), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out


def test_sound_alone_is_no_video(tmp_path):
    import av
    from clips import write_tone

    with av.open(str(tmp_path / "song.m4a"), "w") as out:
        write_tone(out, out.add_stream("aac", rate=48_000, layout="mono"), 0.5)
    with pytest.raises(ValueError, match=r"song.m4a holds sound alone"):
        next(bodylens.frames(tmp_path / "song.m4a"))


def test_a_playlist_opens_nothing_else(tmp_path):
    write_clip(tmp_path / "clip.ts", STEADY, container="mpegts")
    listed = tmp_path / "list.m3u8"
    listed.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match=r"list\.m3u8"):
        next(bodylens.frames(listed))


def test_what_cannot_be_decoded_is_named_with_a_way_out(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", STEADY)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"apv1"))
    with pytest.raises(
        ValueError, match=r"no frame that can be decoded here \(apv\): convert it first, as with ffmpeg"
    ):
        next(bodylens.frames(path))
    path.write_bytes(path.read_bytes().replace(b"apv1", b"zzzz"))
    with pytest.raises(ValueError, match="holds video that cannot be decoded here: convert it first, as with ffmpeg"):
        next(bodylens.frames(path))


def test_a_recording_that_was_never_finished_is_told(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", STEADY)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="was never finished: its index is missing"):
        next(bodylens.frames(path))


def test_words_are_no_video(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("hello\n" * 100)
    with pytest.raises(ValueError, match="neither a picture nor a video"):
        next(bodylens.frames(words))


def test_frames_that_are_too_large_are_refused(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "clip.mp4", STEADY[:2])
    monkeypatch.setattr(video, "MAX_PIXELS", 3000)
    with pytest.raises(ValueError, match="scale it down first"):
        next(bodylens.frames(path))
