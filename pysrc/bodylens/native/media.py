"""Image and video files as sequences of RGB arrays."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bodylens.native.picture import Picture, animation, is_animated, open_image, read_picture
from bodylens.native.video import Video

__all__ = ["Picture", "frames", "is_still", "prefetched", "rate", "read_picture"]

Item = TypeVar("Item")


def frames(source: str | Path) -> Iterator[tuple[Picture, float]]:
    """Go through an image (one frame), an animation (GIF, PNG, WebP) or a video file: each frame with its time.

    Frames are upright and of the size at which they are shown, each of its own size where that changes. Times are the
    frames' own presentation times in seconds, as the file has them: a recording that begins at 5 s gives 5.0 first.
    They always grow; where a file's times restart they continue from there. Alpha is composited over white.

    Args:
        source: of the file.

    Yields:
        A frame, (h, w, 3) uint8 RGB, and its time.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
        ValueError: it is neither an image nor a video that can be read, or is damaged; the message says how far it got.

    """
    path = existing(source)
    image = open_image(path)
    if image is None:
        with Video(path) as video:
            yield from video.frames()
        return
    with image:
        if is_animated(image):
            yield from animation(image, path)
            return
    yield read_picture(path), 0.0


def is_still(source: str | Path) -> bool:
    """Say whether a file is an image without movement; raises as `frames` does."""
    path = existing(source)
    image = open_image(path)
    if image is None:
        return False
    with image:
        return not is_animated(image)


def rate(source: str | Path) -> float:
    """Return a video's frames per second, on average; 30 for images, and where a video does not say."""
    path = existing(source)
    image = open_image(path)
    if image is not None:
        image.close()
        return 30.0
    with Video(path) as video:
        return video.rate


def existing(source: str | Path) -> Path:
    """Return the path of a file that there is.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.

    """
    path = Path(source)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name one picture or video file in it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


@contextmanager
def prefetched(items: Iterator[Item], ahead: int = 2) -> Iterator[Iterator[Item]]:
    """Let a thread make the next items while one is worked on, as decoders do without the interpreter's lock.

    Args:
        items: to go through; what it raises is raised where its turn comes.
        ahead: how many items wait at most.

    """
    waiting: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
    left = threading.Event()

    def work() -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                waiting.put((item, None))
                if left.is_set():
                    break
        except BaseException as error:
            end = error
        waiting.put((None, end))

    def taken() -> Iterator[Item]:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        while thread.is_alive():
            try:
                waiting.get(timeout=0.05)
            except queue.Empty:
                continue
        thread.join()
