"""One thing that has an address: a file, or bytes made in memory, with what HTTP must say about it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

# Written out, for the table of the machine differs from one system to the next.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".mp4": "video/mp4",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".py": "text/x-python; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".whl": "application/octet-stream",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
COMPRESSED = {".gz", ".jpg", ".mp4", ".png", ".webm", ".webp", ".woff2"}


@dataclass(frozen=True)
class Resource:
    """What is served at one address. Of a file, `stamp` tells whether it is still what was hashed."""

    suffix: str
    size: int
    sha256: str
    path: Path | None = None
    stamp: int = 0
    data: bytes = b""

    @property
    def media_type(self) -> str:
        """The Content-Type."""
        return MEDIA_TYPES[self.suffix]

    @property
    def compressible(self) -> bool:
        """Whether it is worth a try."""
        return self.suffix not in COMPRESSED

    def read(self) -> bytes:
        """Return the content."""
        return self.path.read_bytes() if self.path else self.data

    def is_current(self) -> bool:
        """Say whether the file is still the one that was hashed."""
        if self.path is None:
            return True
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.stamp)


def from_bytes(data: bytes, suffix: str) -> Resource:
    """Describe bytes made in memory."""
    return Resource(suffix, len(data), hashlib.sha256(data).hexdigest(), data=data)


def from_file(path: Path, known: Resource | None = None) -> Resource:
    """Describe a file; what is `known` of it from before is kept as long as the file is the same."""
    if known and known.path == path and known.is_current():
        return known
    stat = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Resource(path.suffix, stat.st_size, digest, path, stat.st_mtime_ns)
