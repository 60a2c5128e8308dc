"""Video files as RGB arrays: each frame with its own time, upright, of the size at which it is shown."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bodylens.pixels import MAX_PIXELS, over_white

Picture = NDArray[np.uint8]

CONVERT = "convert it first, as with ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"

# From this height on, a video that does not say its color space is taken for BT.709, as players do.
HD_HEIGHT = 720

# How much of a Matroska file's length may be missing before it counts as cut off: its length is rounded, and may be
# that of a track of subtitles.
MISSING_SECONDS = 0.5

# ref: libavutil/pixfmt.h, AVCOL_SPC_UNSPECIFIED
UNSPECIFIED = 2


class Damaged(Exception):
    """A video cannot be decoded from here on; the message says why."""


class Video:
    """An open video file. Use it in a `with` statement.

    Args:
        path: of the file; nothing but this file is opened, whatever is written in it.

    Raises:
        ValueError: it is no video that can be read here; the message says what to do.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.container: InputContainer = av.open(
                f"file:{path.absolute()}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
            )
        except (av.error.FFmpegError, OSError) as error:
            raise self._unreadable() from error
        try:
            self.stream = self._stream()
        except ValueError:
            self.container.close()
            raise

    def _unreadable(self) -> ValueError:
        with self.path.open("rb") as file:
            if file.read(8)[4:] == b"ftyp":
                return ValueError(f"{self.path} is damaged or was never finished: its index is missing")
        return ValueError(f"{self.path} is neither a picture nor a video in a format that can be read here")

    def _stream(self) -> VideoStream:
        # FFmpeg draws text files.
        if self.container.format.name == "tty":
            raise self._unreadable()
        streams = [s for s in self.container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            if self.container.streams.audio:
                raise ValueError(f"{self.path} holds sound alone: give a video or a picture")
            raise self._unreadable()
        stream = max(streams, key=lambda s: bool(s.disposition & av.stream.Disposition.default))
        if stream.codec_context is None:
            raise ValueError(f"{self.path} holds video that cannot be decoded here: {CONVERT}")
        return stream

    def _undecodable(self) -> ValueError:
        name = self.stream.codec_context.name
        return ValueError(f"{self.path} holds no frame that can be decoded here ({name}): {CONVERT}")

    @property
    def rate(self) -> float:
        """Frames per second on average; 30 where it does not say."""
        return float(self.stream.average_rate or self.stream.guessed_rate or 30)

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """Go through the frames; see `bodylens.frames`.

        Raises:
            ValueError: it is damaged, cut off or too large; the message says how far it got.

        """
        clock, count = Clock(1 / self.rate), 0
        try:
            for frame in self._decoded():
                time = clock.at(frame)
                yield self._picture(frame), time
                count += 1
        except (Damaged, av.error.FFmpegError) as error:
            if not count:
                raise self._undecodable() from error
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"{self.path} is damaged after {count} frame{'s' * (count > 1)}, at {clock.last:.3f} s: {reason}"
            ) from error
        if not count:
            raise self._undecodable()

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decode up to the first damage; frames before anything could be decoded whole are left out, as players do."""
        stream, begun = self.stream, False
        stream.thread_type = "AUTO"
        packets, reached = 0, 0.0
        for packet in self.container.demux():
            if packet.pts is not None and packet.time_base is not None:
                reached = max(reached, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream is not stream:
                continue
            packets += packet.size > 0
            try:
                frames = stream.decode(packet)
            except av.error.EOFError:
                frames = []
            except av.error.FFmpegError as error:
                if not begun:
                    continue
                # Threads still hold what came before.
                for frame in stream.decode(None):
                    if frame.is_corrupt:
                        break
                    yield frame
                raise error
            for frame in frames:
                if frame.is_corrupt:
                    if begun:
                        raise Damaged("the next frame is not whole")
                    continue
                begun = True
                yield frame
        if self._cut_off(packets, reached):
            raise Damaged("the file ends before its video does")

    def _cut_off(self, packets: int, reached: float) -> bool:
        """Compare what was read with what the file's head promises."""
        name = self.container.format.name
        if "matroska" in name and self.container.duration:
            return reached + MISSING_SECONDS < self.container.duration / av.time_base
        return packets < (self.stream.frames if name == "avi" else len(self.stream.index_entries))

    def _picture(self, frame: VideoFrame) -> Picture:
        """Convert a frame to RGB, upright and of the size at which it is shown."""
        width, height = frame.width, frame.height
        ratio = self.stream.sample_aspect_ratio or Fraction(1)
        # Nothing is shrunk, as in browsers.
        size = (round(width * ratio), height) if ratio >= 1 else (width, round(height / ratio))
        if size[0] * size[1] > MAX_PIXELS:
            limit = MAX_PIXELS // 1_000_000
            raise ValueError(f"{self.path} has frames of more than {limit} megapixels: scale it down first")
        unsaid = frame.colorspace == UNSPECIFIED and not frame.format.name.startswith(("rgb", "bgr", "gbr"))
        has_alpha = any(component.is_alpha for component in frame.format.components)
        shown = frame.reformat(
            format="rgba" if has_alpha else "rgb24",
            width=size[0],
            height=size[1],
            src_colorspace=Colorspace.ITU709 if unsaid and height >= HD_HEIGHT else None,
        )
        pixels = _pixels(shown, 4 if has_alpha else 3)
        return _upright(over_white(pixels) if has_alpha else pixels, frame)

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *error: object) -> None:
        self.container.close()


class Clock:
    """Gives each frame its presentation time, and continues where a file's times restart or are missing.

    Args:
        step: seconds from frame to frame where the file does not say.

    """

    def __init__(self, step: float) -> None:
        self.step = step
        self.last: float | None = None
        self.shift = 0.0

    def at(self, frame: VideoFrame) -> float:
        """Return the frame's time, seconds, later than the one before it."""
        time = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        if time is not None and (self.last is None or time + self.shift > self.last):
            now = time + self.shift
        else:
            now = 0.0 if self.last is None else self.last + self.step
            self.shift += 0.0 if time is None else now - (time + self.shift)
        self.last = now
        return now


def _pixels(frame: VideoFrame, channels: int) -> Picture:
    """Return a frame's pixels, (h, w, channels) uint8, without a copy where its rows lie close together."""
    plane: Any = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)[:, : frame.width * channels]
    pixels: Picture = np.ascontiguousarray(rows).reshape(frame.height, frame.width, channels)
    return pixels if pixels.flags.writeable else pixels.copy()


def _upright(picture: Picture, frame: VideoFrame) -> Picture:
    """Turn and mirror a picture as the file's display matrix says.

    ref: https://ffmpeg.org/doxygen/trunk/group__lavu__video__display.html
    """
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that PyAV does not know
        return np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))
    if matrix is None:
        return picture
    (a, b, _), (c, d, _), _ = np.frombuffer(bytes(matrix), np.int32).reshape(3, 3).tolist()
    if abs(b) > abs(a):  # x and y change places
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
