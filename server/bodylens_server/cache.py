"""The folder for everything that can be made again: compiled wheels, compressed files, converted models."""

import tempfile
from pathlib import Path

from bodylens_models import store


def folder(name: str) -> Path:
    """Return the cache's folder of this name, made when it is not there."""
    found = store.cache_folder() / name
    found.mkdir(parents=True, exist_ok=True)
    return found


def write_whole(target: Path, data: bytes) -> None:
    """Write a file such that nobody ever sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(data)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)
