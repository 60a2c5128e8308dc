"""Frames into a video file, with their own times and the source's sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

if TYPE_CHECKING:
    AnyPacket = Packet[Any]

# Of times in files that have no coarser ones. ref: MPEG's 90 kHz
TIME_BASE = Fraction(1, 90_000)

# ref: ITU-T H.273, BT.709 primaries, transfer and matrix; libavutil/pixfmt.h, AVCOL_RANGE_MPEG
BT709, LIMITED_RANGE = 1, 1


@dataclass(frozen=True)
class Form:
    """How a video file of one ending is written.

    Attributes:
        container: FFmpeg's name of the format.
        video: of the encoder.
        options: of the encoder.
        pixels: the format that it takes.
        audio: the encoder for sound that cannot be copied; None for no sound.
        copied: codecs of sound that are copied; None for all.

    """

    container: str
    video: str
    options: dict[str, str]
    pixels: str = "yuv420p"
    audio: str | None = None
    copied: frozenset[str] | None = frozenset()


# Without B-frames times are stored as they are.
H264 = {"preset": "veryfast", "crf": "20", "bf": "0"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "30", "b": "0"}
MP4_SOUND = frozenset({"aac", "mp3"})

# What browsers play comes first. AVI is for programs that read nothing else: it has one rate and no sound here.
FORMS = {
    ".mp4": Form("mp4", "libx264", H264, audio="aac", copied=MP4_SOUND),
    ".m4v": Form("mp4", "libx264", H264, audio="aac", copied=MP4_SOUND),
    ".mov": Form("mov", "libx264", H264, audio="aac", copied=MP4_SOUND),
    ".mkv": Form("matroska", "libx264", H264, audio="aac", copied=None),
    ".webm": Form("webm", "libvpx-vp9", VP9, audio="libopus", copied=frozenset({"opus", "vorbis"})),
    ".avi": Form("avi", "mjpeg", {"q": "3"}, "yuvj420p"),
}


class VideoWriter:
    """Writes frames to a video file; its size is that of the first frame. Use it in a `with` statement.

    Frames of another size are scaled to fit, with black beside them. What is not as in the source (a row or column
    more, no sound) is said in `notes`. After an error the sound ends with the frames.

    Args:
        path: its ending says the format, one of `FORMS`.
        rate: frames per second, where frames have no times of their own.
        sound: a video file whose sound to take; its frames' times are then those of the frames written.

    Raises:
        ValueError: the ending is unknown.
        OSError: the file cannot be written.

    """

    def __init__(self, path: str | Path, rate: float = 30.0, sound: str | Path | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in FORMS:
            raise ValueError(f"{self.path}: no video format has this ending; use {', '.join(FORMS)}")
        self.form = FORMS[self.path.suffix.lower()]
        self.rate = rate
        self.notes: list[str] = []
        self.count = 0
        self.size = (0, 0)
        self.start = self.time = 0.0
        self.waiting: AnyPacket | None = None
        # An open file, so that a full disk is an error when it happens.
        self.file = self.path.open("wb")
        self.container: OutputContainer = av.open(self.file, "w", format=self.form.container)
        self.sound = None if sound is None else Sound(Path(sound), self.form, self.container)

    def write(self, picture: Picture, time: float | None = None) -> None:
        """Add a frame.

        Args:
            picture: (h, w, 3) RGB or (h, w) grey uint8.
            time: when it is shown, seconds, later than the one before; None counts by the rate.

        Raises:
            OSError: the file cannot be written.
            ValueError: the encoder refuses the frame, as one of more than 16,384 pixels across.

        """
        time = self.count / self.rate if time is None else time
        try:
            self._write(picture, time)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            size = f"{picture.shape[1]} × {picture.shape[0]}"
            raise ValueError(f"a frame of {size} cannot be encoded as video: scale it down first") from error

    def _write(self, picture: Picture, time: float) -> None:
        if not self.count:
            self._begin(picture, time)
        fitted = np.ascontiguousarray(self._fitted(picture))
        frame = VideoFrame.from_ndarray(fitted, format="gray" if picture.ndim == 2 else "rgb24").reformat(
            format=self.form.pixels,
            dst_colorspace=Colorspace.ITU709 if self.form.audio else Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG if self.form.audio else ColorRange.JPEG,
        )
        frame.time_base = self.time_base
        frame.pts = round((time - self.start) / self.time_base) if self.form.audio else self.count
        packets = self.stream.encode(frame)
        self.count, self.time = self.count + 1, time
        self._mux(packets)
        if self.sound:
            self.sound.mux_until(time)

    def _begin(self, picture: Picture, time: float) -> None:
        height, width = picture.shape[:2]
        self.size = (width + width % 2, height + height % 2)
        if self.size != (width, height):
            self.notes.append(
                f"padded from {width} × {height} to {self.size[0]} × {self.size[1]}, for video needs even sizes"
            )
        self.start = time if self.sound is None else self.sound.start
        rate = Fraction(self.rate).limit_denominator(1001)
        stream = self.container.add_stream(self.form.video, rate=rate, options=self.form.options)
        self.stream = cast(VideoStream, stream)
        self.stream.width, self.stream.height = self.size
        self.stream.pix_fmt = self.form.pixels
        self.time_base = TIME_BASE if self.form.audio else 1 / rate
        self.stream.codec_context.time_base = self.time_base
        if self.form.audio:
            self.stream.color_primaries = self.stream.color_trc = self.stream.colorspace = BT709
            self.stream.color_range = LIMITED_RANGE
        if self.sound:
            self.notes += self.sound.notes

    def _fitted(self, picture: Picture) -> Picture:
        """Scale a picture to the video's size if it is larger or smaller, and pad what is left."""
        width, height = self.size
        if picture.shape[1] + picture.shape[1] % 2 == width and picture.shape[0] + picture.shape[0] % 2 == height:
            below, right = height - picture.shape[0], width - picture.shape[1]
            return pad(picture, (0, below, 0, right), cv2.BORDER_REPLICATE) if below or right else picture
        scale = min(width / picture.shape[1], height / picture.shape[0])
        inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(picture, inner, interpolation=how).astype(np.uint8, copy=False)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        return pad(scaled, (top, height - inner[1] - top, left, width - inner[0] - left), cv2.BORDER_CONSTANT)

    def _mux(self, packets: list[AnyPacket]) -> None:
        """Write packets, the last one later: only what follows says how long it lasts."""
        for packet in packets:
            if self.waiting is not None:
                if self.waiting.pts is not None and packet.pts is not None:
                    self.waiting.duration = packet.pts - self.waiting.pts
                self.container.mux(self.waiting)
            self.waiting = packet

    def close(self, whole: bool = True) -> None:
        """Finish the file.

        Args:
            whole: all frames were written, so all the sound belongs to them.

        Raises:
            OSError: the file cannot be written.

        """
        with self.file:
            if self.count:
                last = 1 / self.rate
                self._mux(self.stream.encode(None))
                if self.waiting is not None:
                    self.waiting.duration = round(last / self.time_base)
                    self.container.mux(self.waiting)
                if self.sound:
                    self.sound.mux_until(None if whole else self.time + last)
            if self.sound:
                self.sound.close()
            # Without a frame there is no header to finish, nor an encoder that could be opened.
            with nullcontext() if self.count else suppress(av.error.FFmpegError):
                self.container.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(whole=kind is None)


def pad(picture: Picture, by: tuple[int, int, int, int], border: int) -> Picture:
    """Add rows and columns: top, bottom, left, right."""
    return cv2.copyMakeBorder(picture, *by, border, value=(0, 0, 0)).astype(np.uint8, copy=False)


class Sound:
    """The sound of a video file on its way into another, copied where the format allows, else encoded.

    Args:
        path: of the source.
        form: of the target.
        target: the open target.

    """

    def __init__(self, path: Path, form: Form, target: OutputContainer) -> None:
        self.target = target
        self.notes: list[str] = []
        self.source: InputContainer = av.open(f"file:{path.absolute()}", options={"protocol_whitelist": "file"})
        self.start = (self.source.start_time or 0) / av.time_base
        self.packets: Iterator[AnyPacket] = iter(())
        self.waiting: AnyPacket | None = None
        self.out: AudioStream | None = None
        self.copied = self.ended = False
        self.shift = 0
        self.next: int | None = None
        if not self.source.streams.audio:
            return
        self.stream = stream = self.source.streams.audio[0]
        name = path.name
        if form.audio is None:
            self.notes.append(f"the sound of {name} is left out: write .mp4, .mkv or .webm to keep it")
        elif stream.codec_context is None:
            self.notes.append(f"the sound of {name} is left out: it cannot be decoded here")
        else:
            self.copied = form.copied is None or stream.codec_context.name in form.copied
            if self.copied:
                self.out = target.add_stream_from_template(stream)
            else:
                rate = 48_000 if form.audio == "libopus" else stream.rate
                layout = "mono" if stream.channels == 1 else "stereo"
                self.out = cast(AudioStream, target.add_stream(form.audio, rate=rate, layout=layout))
            self.packets = self.source.demux(stream)

    def mux_until(self, time: float | None) -> None:
        """Write the sound up to a time of the source, seconds; None for all of it.

        Raises:
            OSError: the file cannot be written.

        """
        if self.out is None:
            return
        while (packet := self.waiting or self._next()) is not None:
            self.waiting = packet
            if time is not None and packet.pts is not None and float(packet.pts * packet.time_base) > time:
                return
            self.waiting = None
            self._mux(self.out, packet)
        if not self.copied and not self.ended:
            self.ended = True
            self.target.mux(self.out.encode(None))

    def _next(self) -> AnyPacket | None:
        try:
            return next(self.packets, None)
        except av.error.FFmpegError:
            self.notes.append("the sound is damaged and ends early")
            return None

    def _mux(self, out: AudioStream, packet: AnyPacket) -> None:
        if self.copied:
            if packet.dts is None or packet.pts is None:
                return
            # Where a file's times restart, the sound continues as the frames do.
            begins = packet.dts + self.shift
            self.shift += 0 if self.next is None else max(self.next - begins, 0)
            self.next = packet.dts + self.shift + 1
            by = self.shift - round(self.start / packet.time_base)
            packet.dts, packet.pts, packet.stream = packet.dts + by, packet.pts + by, out
            self.target.mux(packet)
            return
        try:
            frames = self.stream.decode(packet)
        except av.error.FFmpegError:  # a gap in the sound
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self.start / frame.time_base)
            self.target.mux(out.encode(frame))

    def close(self) -> None:
        """Close the source."""
        self.source.close()
