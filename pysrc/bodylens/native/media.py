"""Pictures and video files as sequences of RGB arrays."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def read_picture(path: str | Path) -> Picture:
    """Read a picture file as (h, w, 3) uint8 RGB, turned upright as its EXIF says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture that OpenCV can read.

    """
    path = Path(path)
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if picture is None:
        raise ValueError(f"{path} is not a picture in a format that can be read here (JPEG, PNG, WebP, BMP, TIFF …)")
    return np.ascontiguousarray(picture[..., ::-1].astype(np.uint8, copy=False))


def write_picture(path: str | Path, picture: Picture) -> None:
    """Write (h, w, 3) RGB, (h, w, 4) RGBA or (h, w) grey uint8; the file's ending says the format.

    Raises:
        ValueError: the ending is unknown.

    """
    path = Path(path)
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, order[picture.shape[2]])
    if not cv2.haveImageWriter(str(path)):
        raise ValueError(f"{path}: no picture format has this ending; use .png or .jpg")
    done, data = cv2.imencode(path.suffix, pixels)
    if not done:
        raise ValueError(f"{path}: this picture cannot be written as {path.suffix}")
    data.tofile(path)


def frames(source: str | Path) -> Iterator[tuple[Picture, float]]:
    """Go through a picture (one frame) or a video file: each frame with its time in seconds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is neither a picture nor a video that can be read.

    """
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if cv2.haveImageReader(str(path)):
        yield read_picture(path), 0.0
        return
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise ValueError(f"{path} is neither a picture nor a video in a format that can be read here")
        rate = video.get(cv2.CAP_PROP_FPS) or 30.0
        index, last = 0, -1.0
        while True:
            time = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            more, picture = video.read()
            if not more:
                break
            # Some containers carry no timestamps: then the frame rate says the time.
            time = time if time > last else max(index / rate, last + 1 / rate)
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), time
            index, last = index + 1, time
        if not index:
            raise ValueError(f"{path} holds no frame that can be read here")
    finally:
        video.release()


def frame_rate(source: str | Path) -> float:
    """Give a video's frames per second; 30 where it does not say."""
    video = cv2.VideoCapture(str(source))
    try:
        return float(video.get(cv2.CAP_PROP_FPS)) or 30.0
    finally:
        video.release()


class VideoWriter:
    """Writes frames to a video file; its size is that of the first frame. Use it in a `with` statement."""

    def __init__(self, path: str | Path, rate: float) -> None:
        self.path = Path(path)
        self.rate = rate
        self.video: cv2.VideoWriter | None = None

    def write(self, picture: Picture) -> None:
        """Add a frame, (h, w, 3) RGB or (h, w) grey uint8.

        Raises:
            ValueError: the file cannot be written in the format that its ending says.
        """
        if self.video is None:
            code = cv2.VideoWriter.fourcc(*("MJPG" if self.path.suffix.lower() == ".avi" else "mp4v"))
            self.video = cv2.VideoWriter(str(self.path), code, self.rate, (picture.shape[1], picture.shape[0]))
            if not self.video.isOpened():
                raise ValueError(f"{self.path} cannot be written as a video; use .mp4 or .avi, in a folder that exists")
        self.video.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR))

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *error: object) -> None:
        if self.video is not None:
            self.video.release()
