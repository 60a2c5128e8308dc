"""Video files for tests, made as they are found in the world: any codec, container and times."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MS = Fraction(1, 1000)


def shade(index, width=64, height=48):
    """A frame that can be told from others, also after compression: grey by its number, its upper left quarter red."""
    frame = np.full((height, width, 3), 20 + 8 * (index % 28), np.uint8)
    frame[: height // 2, : width // 2] = (230, 20, 20)
    return frame


def number_of(frame):
    """Give back the number of a `shade`."""
    return round((float(frame[-8:, -8:].mean()) - 20) / 8)


def write_clip(
    path,
    times_ms,
    codec="libx264",
    *,
    size=(64, 48),
    container=None,
    pixels="yuv420p",
    ratio=None,
    rotation=None,
    sound=None,
    options=None,
    first=0,
):
    """Write a clip of shades, shown at the times given in milliseconds."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = MS if codec not in ("mpeg4", "mjpeg") else Fraction(1, 30)
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        heard = out.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for index, time in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(shade(first + index, *size), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = time if frame.time_base == MS else index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if heard:
            write_tone(out, heard, times_ms[-1] / 1000)
    return path


def write_tone(out, stream, seconds):
    for start in range(0, int(seconds * 48_000), 1024):
        wave = np.sin((start + np.arange(1024)) * (2 * np.pi * 440 / 48_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None] * 0.2, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def spoil(path, start, length):
    """Overwrite a part of a file, told in shares of its size, with noise."""
    data = bytearray(path.read_bytes())
    at, count = int(len(data) * start), int(len(data) * length)
    data[at : at + count] = np.random.default_rng(3).integers(0, 256, count, np.uint8).tobytes()
    path.write_bytes(data)


def write_av1(path, times_ms):
    """Write a clip as AV1, in a process of its own.

    Where it runs as root, the encoder gives the thread that calls it the highest realtime priority, for good: all that
    the tests start later would inherit it and keep the processors from everything else.
    """
    command = [sys.executable, __file__, str(path), json.dumps(times_ms)]
    subprocess.run(command, check=True, capture_output=True)
    return path


if __name__ == "__main__":
    write_clip(Path(sys.argv[1]), json.loads(sys.argv[2]), "libsvtav1")
