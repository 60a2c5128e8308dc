"""What a fetch reports while it runs, and a display of it for terminals."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TextIO, TypeAlias


@dataclass(frozen=True)
class Step:
    """A moment of a fetch. model: whose; phase; done and total: bytes (total None when unknown); where: the source."""

    model: str
    phase: Literal["download", "convert", "ready", "trouble"]
    done: int = 0
    total: int | None = None
    where: str = ""


Progress: TypeAlias = Callable[[Step], None]


def silent(step: Step) -> None:
    """Report nothing."""


def size(count: int) -> str:
    """A number of bytes for people: 249 kB, 5.7 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 999_500 else f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


class Terminal:
    """Shows steps: one line that is rewritten where a person watches, plain lines where a file does."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stdout
        self.live = self.stream.isatty()
        self._shown = 0.0
        self._open = False
        self._told: set[tuple[str, str]] = set()

    def __call__(self, step: Step) -> None:
        """Show one step."""
        if step.phase == "download":
            self._download(step)
        elif step.phase == "convert":
            if self.live:
                self._rewrite(f"{step.model}: converting to ONNX")
        else:
            mark = "ready" if step.phase == "ready" else "not ready"
            detail = step.where if step.phase == "trouble" else size(step.done)
            self._line(f"{step.model}: {mark} ({detail})")

    def share(self, what: str, done: int, total: int, origin: str = "") -> None:
        """Show how much of something is done, in bytes; to a file it is written once."""
        if not self.live:
            if (what, "") not in self._told:
                self._told.add((what, ""))
                self._line(f"{what}: {size(total)}")
            return
        filled = min(24, 24 * done // max(1, total))
        self._rewrite(f"{what}: {'█' * filled + '░' * (24 - filled)} {size(done)} of {size(total)}{origin}")

    def close(self) -> None:
        """End a line that is still being rewritten."""
        if self._open:
            self.stream.write("\n")
            self.stream.flush()
            self._open = False

    def _download(self, step: Step) -> None:
        origin = f" from {step.where}" if step.where else ""
        if not self.live:
            # One line a model and source: a log is no place for a bar.
            if (step.model, step.where) not in self._told:
                self._told.add((step.model, step.where))
                total = f" {size(step.total)}" if step.total else ""
                self._line(f"{step.model}: getting{total}{origin}")
            return
        now = time.monotonic()
        if now - self._shown < 0.05 and step.done != step.total:
            return
        self._shown = now
        if step.total:
            self.share(step.model, step.done, step.total, origin)
        else:
            self._rewrite(f"{step.model}: {size(step.done)}{origin}")

    def _rewrite(self, text: str) -> None:
        self.stream.write(f"\r\x1b[K{text}")
        self.stream.flush()
        self._open = True

    def _line(self, text: str) -> None:
        self.stream.write(f"\r\x1b[K{text}\n" if self._open else f"{text}\n")
        self.stream.flush()
        self._open = False
