"""Compressed variants of what is served, made once and kept by content; and which of them a browser may get."""

import gzip
import os
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import brotli

from bodylens_server import cache
from bodylens_server.resource import Resource

CODINGS = ("br", "gzip")  # in the order of preference
# Brotli's quality up to so many bytes: what a first visit loads is compressed in 7 s of CPU (25 s on a slow machine);
# quality 11 would make it 7 % smaller and take fifty times as long.
QUALITIES = {8_000_000: 9, 15_000_000: 7}
QUICK_QUALITY = 5  # beyond, and for weights, which hardly gain
GZIP_LEVEL = 6
WORTH = 0.95  # a variant that saves less than this is not worth inflating
WEIGHTS_WORTH = 0.9  # of weights, of which there are many
TOO_SMALL = 256
SMALL = 1_000_000  # bytes; what is compressed in a tenth of a second


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
    for coding in CODINGS:
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


def quality(resource: Resource, coding: str, static: bool) -> int:
    """Return how well a resource is compressed: of its size and kind alone, so that a variant has one name."""
    if coding == "gzip":
        return 9 if static else GZIP_LEVEL
    if resource.suffix == ".onnx":
        return QUICK_QUALITY
    return next((best for size, best in QUALITIES.items() if resource.size <= size), QUICK_QUALITY)


class Encodings:
    """The compressed variants on disk. A file without content says that compression did not pay.

    Args:
        folder: where they are kept.
        static: for a static site, which has time for gzip's level 9, and gzip alone for its weights.

    """

    def __init__(self, folder: Path | None = None, static: bool = False) -> None:
        self.folder = folder or cache.folder("encoded")
        self.static = static
        self._sizes: dict[Path, int] = {}

    def path(self, resource: Resource, coding: str) -> Path:
        """Return where a variant lies, or will lie."""
        best = quality(resource, coding, self.static)
        return self.folder / f"{resource.sha256}.{best}.{'gz' if coding == 'gzip' else coding}"

    def size(self, resource: Resource, coding: str) -> int:
        """Return a variant's size in bytes, 0 where there is none."""
        path = self.path(resource, coding)
        if path not in self._sizes:
            with suppress(FileNotFoundError):
                self._sizes[path] = path.stat().st_size
        return self._sizes.get(path, 0)

    def available(self, resource: Resource) -> list[str]:
        """Return the codings that are ready for this resource."""
        return [coding for coding in CODINGS if self.size(resource, coding)]

    def is_wanted(self, resource: Resource, coding: str) -> bool:
        """Return whether it is worth a try. Browsers that run these networks know brotli: weights have no gzip."""
        known = coding == "br" or self.static or resource.suffix != ".onnx"
        return known and resource.compressible and resource.size >= TOO_SMALL

    def make(self, resource: Resource, coding: str) -> None:
        """Make one variant, unless that is done already."""
        target = self.path(resource, coding)
        if not self.is_wanted(resource, coding) or target.exists():
            return
        data = resource.read()
        if not resource.is_current():
            return  # changed since it was hashed: it is another resource now
        best = quality(resource, coding, self.static)
        made = (
            gzip.compress(data, best, mtime=0)
            if coding == "gzip"
            else bytes(brotli.compress(data, quality=best, lgwin=24))
        )
        worth = WEIGHTS_WORTH if resource.suffix == ".onnx" and not self.static else WORTH
        cache.write_whole(target, made if len(made) < worth * len(data) else b"")

    def make_all(self, resources: Iterable[Resource], report: Callable[[int, int], None] | None = None) -> None:
        """Make what is missing, on all processors; report(bytes so far, bytes in all)."""
        missing = [
            (resource, coding)
            for resource in resources
            for coding in CODINGS
            if self.is_wanted(resource, coding) and not self.path(resource, coding).exists()
        ]
        # The largest first, so that no processor is left with one of them at the end.
        missing.sort(key=lambda pair: -pair[0].size)
        total = sum(resource.size for resource, _ in missing)
        done = 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for size in pool.map(self._make_one, missing):
                    done += size
                    if report:
                        report(done, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _make_one(self, wanted: tuple[Resource, str]) -> int:
        with suppress(FileNotFoundError):  # removed meanwhile
            self.make(*wanted)
        return wanted[0].size
