"""Files that a run writes: each takes its name when it is finished, and never the name of what is read."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from bodylens_server.errors import Failure


class Writer(Protocol):
    """What writes one file; `notes` says what a person should know about it."""

    notes: list[str]

    def write(self, item: Any, time: float) -> None:  # noqa: ANN401
        """Add what belongs to a frame, with the frame's time in seconds."""

    def close(self, whole: bool) -> None:
        """Finish the file; `whole` says that all frames came."""


class Output:
    """A file that is written beside its name and renamed at the end, so that nothing is lost where that fails.

    What was written before an error elsewhere is finished and kept; a file that could not be written is not.

    Args:
        option: that named it, such as "--out".
        target: where it is to lie; None for standard output.
        make: opens a writer for a path, or for None.

    """

    def __init__(self, option: str, target: Path | None, make: Callable[[Path | None], Writer]) -> None:
        self.name = f"{option} {target or '-'}"
        self.target = self.part = target
        # Devices and pipes have no place beside them. What a link points to is replaced, not the link.
        if target is not None and (target.is_file() or not target.exists()):
            self.target = Path(os.path.realpath(target))
            self.part = self.target.with_name(f".{self.target.stem}.{os.getpid()}.part{self.target.suffix}")
        self.make = make
        self.writer: Writer | None = None
        self.failed = False

    def write(self, item: Any, time: float) -> None:  # noqa: ANN401
        """Add what belongs to a frame.

        Raises:
            Failure: the file cannot be written.

        """
        try:
            if self.writer is None:
                self.writer = self.make(self.part)
            self.writer.write(item, time)
        except ValueError:
            self.failed = True
            raise
        except OSError as error:
            self.failed = True
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> Exception:
        if isinstance(error, BrokenPipeError):
            return error
        kept = "" if self.part == self.target else "; nothing of it is kept"
        return Failure(f"{self.name} could not be written: {error.strerror or error}{kept}")

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if self.writer is None:
            return
        failed_before = self.failed
        try:
            self.writer.close(kind is None)
            if self.target is not None and self.part is not None and self.part != self.target and not self.failed:
                if self.target.exists():
                    shutil.copymode(self.target, self.part)
                self.part.replace(self.target)
        except OSError as found:
            if not failed_before:
                raise self._failure(found) from found
        finally:
            if self.part is not None and self.part != self.target:
                self.part.unlink(missing_ok=True)


class Lines:
    """Writes lines of text to a file, or to what is open already."""

    def __init__(self, target: Path | IO[str]) -> None:
        self.notes: list[str] = []
        self.own = isinstance(target, Path)
        self.file = target.open("w", encoding="utf-8") if isinstance(target, Path) else target

    def write(self, item: str, time: float) -> None:
        """Add a line; a reader of standard output gets it at once."""
        self.file.write(item + "\n")
        if not self.own:
            self.file.flush()

    def close(self, whole: bool) -> None:
        """Hand over what is still in memory."""
        if self.own:
            self.file.close()
        else:
            self.file.flush()


class OnePicture:
    """Writes one frame to an image file."""

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self.path = path

    def write(self, item: Any, time: float) -> None:  # noqa: ANN401
        """Write the frame, (h, w, 3) RGB or (h, w) grey uint8."""
        from bodylens.native.picture import write_picture

        write_picture(self.path, item)

    def close(self, whole: bool) -> None:
        """Do nothing: it is written."""


def check_targets(source: Path, targets: Sequence[tuple[str, Path]]) -> None:
    """Refuse outputs that cannot be written, or would replace what is read or each other.

    Args:
        source: the file that is read.
        targets: option and path of each output.

    Raises:
        Failure: one cannot be written; the message says what to do.

    """
    seen: list[tuple[str, Path]] = []
    for option, target in targets:
        folder = target.parent
        if target.is_dir():
            raise Failure(f"{option} {target} is a folder: name a file in it, as in {option} {target / 'result'}")
        if not folder.is_dir():
            raise Failure(f"{option} {target}: there is no folder {folder}; make it first, as with mkdir -p {folder}")
        if not target.exists() and not os.access(folder, os.W_OK):
            raise Failure(f"{option} {target}: the folder {folder} may not be written to; name another one")
        if _is_same(source, target):
            raise Failure(f"{option} {target} would replace the source: give it another name")
        for other, path in seen:
            if _is_same(path, target):
                raise Failure(f"{other} and {option} both name {target}: give each a name of its own")
        seen.append((option, target))


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)
