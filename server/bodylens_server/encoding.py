"""Compressed variants of what is served, made once and kept by content; and which of them a browser may get."""

import gzip
import os
import sys
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

import brotli

from bodylens_server import cache
from bodylens_server.resource import Resource

SUFFIXES = {"br": ".br", "gzip": ".gz"}  # in the order of preference
BEST = ".best.br"  # of a large file: a sixth smaller, made when all others are there
STEP = 1 << 18  # bytes after which it may be left off
LARGE = 2_000_000
WORTH = 0.95  # a variant that saves less than this is not worth inflating
TOO_SMALL = 256


class NotAcceptable(Exception):
    """The browser refuses every encoding that there is."""


def qualities(accepted: str) -> dict[str, float]:
    """Parse Accept-Encoding: each coding with its quality. What cannot be read is left out."""
    found = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        quality = "1"
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = value.strip()
        with suppress(ValueError):
            if coding and 0 <= float(quality) <= 1:
                found["gzip" if coding == "x-gzip" else coding] = float(quality)
    return found


def negotiate(accepted: str | None, available: Collection[str]) -> str:
    """Choose among the available codings and "identity".

    ref: RFC 9110, 12.5.3. Without the header a plain body is the safe answer.
    """
    if accepted is None:
        return "identity"
    wanted = qualities(accepted)
    others = wanted.get("*")
    best, best_quality = "", 0.0
    for coding in SUFFIXES:
        quality = wanted.get(coding, others or 0.0)
        if coding in available and quality > best_quality:
            best, best_quality = coding, quality
    # A plain body is always allowed unless refused, but it is wished for only where it is named.
    plain = wanted.get("identity", 0.0)
    if not best or plain > best_quality:
        best = "identity"
    if best == "identity" and (wanted.get("identity") == 0 or ("identity" not in wanted and others == 0)):
        raise NotAcceptable
    return best


class Stopped(Exception):
    """Nobody waits for it any more."""


def compress(data: bytes, suffix: str, stopped: threading.Event) -> bytes:
    """Compress as well as a start-up allows: brotli's best quality takes ten times as long on large files.

    Raises `Stopped` soon after the event is set.
    """
    if suffix == SUFFIXES["gzip"]:
        return gzip.compress(data, 9, mtime=0)
    if suffix != BEST:
        return bytes(brotli.compress(data, quality=9 if len(data) > LARGE else 11, lgwin=24))
    compressor = brotli.Compressor(quality=11, lgwin=24)
    made = []
    for start in range(0, len(data), STEP):
        if stopped.is_set():
            raise Stopped
        made.append(compressor.process(data[start : start + STEP]))
    return b"".join([*made, compressor.finish()])


def suffixes(resource: Resource) -> list[str]:
    """Return the variants that are wanted of a resource, in the order in which they are made."""
    if not resource.compressible or resource.size < TOO_SMALL:
        return []
    # Weights hardly gain by it.
    best = [BEST] if resource.size > LARGE and resource.suffix != ".onnx" else []
    return [*SUFFIXES.values(), *best]


class Encodings:
    """The compressed variants on disk. A file without content says that compression did not pay."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache.folder("encoded")
        self._ready: dict[str, int] = {}
        self._worker: threading.Thread | None = None
        self._stopped = threading.Event()

    def path(self, resource: Resource, coding: str) -> Path:
        """Return where the best variant lies that is there, or where one will be."""
        best = resource.sha256 + BEST
        name = (
            best
            if coding == "br" and resource.size > LARGE and self._size(best)
            else resource.sha256 + SUFFIXES[coding]
        )
        return self.folder / name

    def size(self, resource: Resource, coding: str) -> int:
        """Return a variant's size in bytes, 0 as long as there is none."""
        return self._size(self.path(resource, coding).name)

    def _size(self, name: str) -> int:
        if not self._ready.get(name):
            with suppress(FileNotFoundError):
                self._ready[name] = (self.folder / name).stat().st_size
        return self._ready.get(name, 0)

    def available(self, resource: Resource) -> list[str]:
        """Return the codings that are ready for this resource."""
        return [coding for coding in SUFFIXES if self.size(resource, coding)]

    def make(self, resource: Resource, suffix: str) -> None:
        """Make one variant, unless that is done already."""
        target = self.folder / (resource.sha256 + suffix)
        if suffix not in suffixes(resource) or target.exists():
            return
        data = resource.read()
        if not resource.is_current():
            return  # changed since it was hashed: it is another resource now
        made = compress(data, suffix, self._stopped)
        cache.write_whole(target, made if len(made) < WORTH * len(data) else b"")

    def make_all(self, resources: Iterable[Resource]) -> None:
        """Compress everything, the small and quick first; brotli first, for browsers prefer it."""
        ordered = sorted(resources, key=lambda resource: resource.size)
        for suffix in (*SUFFIXES.values(), BEST):
            for resource in ordered:
                if self._stopped.is_set():
                    return
                with suppress(FileNotFoundError):  # removed meanwhile
                    self.make(resource, suffix)

    def make_in_background(self, resources: Iterable[Resource]) -> None:
        """Compress while serving: until a variant is ready, the plain file is sent."""
        if self._stopped.is_set() or (self._worker and self._worker.is_alive()):
            return  # the next visit asks again
        wanted = [
            resource
            for resource in resources
            if not all((self.folder / (resource.sha256 + suffix)).exists() for suffix in suffixes(resource))
        ]
        if wanted:
            self._worker = threading.Thread(target=self._work, args=(wanted,), daemon=True)
            self._worker.start()

    def wait(self) -> None:
        """Wait for the background to finish."""
        if self._worker:
            self._worker.join()

    def stop(self) -> None:
        """Leave off what the background still does, and begin nothing new there."""
        self._stopped.set()
        self.wait()

    def _work(self, resources: list[Resource]) -> None:
        if sys.platform == "linux":  # there a thread has a niceness of its own: the page comes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        with suppress(Stopped):
            self.make_all(resources)
