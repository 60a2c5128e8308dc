"""The wheels that the page loads into Pyodide: ours, numpy's and micropip's, compiled and kept by content.

Ours holds `pysrc/bodylens` alone. Ours, numpy's and the standard library are served as .pyc files in stored zips, and
of the last two what a page does not need at its start in zips of their own: see web/wheels/README.md.
"""

import argparse
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bodylens_server import cache, checkout, node
from bodylens_server.errors import Failure

TIME = (2026, 1, 1, 0, 0, 0)  # fixed: same sources, same bytes
STANDARD_LIBRARY = "python_stdlib.zip"
LATER = {STANDARD_LIBRARY: "python_stdlib_later.zip", "numpy": "numpy_later.zip"}
MICROPIP = "0.11.1"
MICROPIP_SHA256 = "768de165adb8e66906039d8fec4127a57f522dfdf8e6fbff877a4616941ecfd3"


@dataclass(frozen=True)
class Wheel:
    """A wheel file, ready to be served."""

    path: Path

    @property
    def name(self) -> str:
        """The package's name, as the lock writes it."""
        return self.path.name.split("-")[0].replace("_", "-")

    @property
    def version(self) -> str:
        """The package's version."""
        return self.path.name.split("-")[1]

    @property
    def sha256(self) -> str:
        """The file's sha256, in hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class PythonFiles:
    """What we serve beside Pyodide's own files: its standard library, compiled, and the wheels.

    later: what of the standard library and of numpy a page does not need at its start.
    """

    standard_library: Path
    wheels: list[Wheel]
    later: list[Path]

    @property
    def names(self) -> set[str]:
        """The names of the packages."""
        return {wheel.name for wheel in self.wheels}


def record_digest(data: bytes) -> str:
    """Return the sha256 as RECORD writes it."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def pack(source: Path, number: str) -> bytes:
    """Return the pure-Python wheel of the package folder `source`: the same bytes for the same sources."""
    name = source.name
    info = f"{name}-{number}.dist-info"
    files = {
        path.relative_to(source.parent).as_posix(): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.4\nName: {name}\nVersion: {number}\n".encode()
    # Compiled code belongs to one version of Python, so the tag names it.
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: bodylens\nRoot-Is-Purelib: true\nTag: cp314-none-any\n"
    lines = "".join(f"{path},sha256={record_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{lines}{info}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for path, data in files.items():
            target.writestr(zipfile.ZipInfo(path, TIME), data)
    return packed.getvalue()


def own_wheel() -> Path:
    """Return our own wheel, not compiled yet, from the cache or made now."""
    number = version("bodylens")
    data = pack(checkout.PYSRC / "bodylens", number)
    target = cache.folder("wheels") / hashlib.sha256(data).hexdigest()[:16] / f"bodylens-{number}-cp314-none-any.whl"
    if not target.exists():
        cache.write_whole(target, data)
    return target


def numpy_wheel() -> Path:
    """Return the numpy that lies in the project."""
    found = sorted(checkout.WHEELS.glob("numpy-*.whl"))
    if len(found) != 1:
        raise Failure(f"{checkout.WHEELS} should hold one numpy wheel, but holds {len(found)}: keep the one to serve")
    return found[0]


def pyodide_version() -> str:
    """Return the version of the Pyodide in node_modules."""
    found = re.search(r'"version": "([^"]+)"', read(checkout.PYODIDE / "package.json").decode())
    assert found, "a package.json without a version"
    return found[1]


def read(path: Path) -> bytes:
    """Return a file of a web package, or say how to get it."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Failure(f"{path} is missing: run `npm ci --omit=dev` in {checkout.WEB}, or scripts/serve") from error


def parts(source: Path) -> list[str]:
    """Return the names of what is made of an archive: one file, or two if some of it can come later."""
    name = source.name.split("-")[0]
    return [source.name, LATER[name]] if name in LATER else [source.name]


def compile_archives(sources: Sequence[Path]) -> list[list[Path]]:
    """Return of each wheel and zip what is made of it; what is not in the cache is compiled under node."""
    compiler = b"".join(
        read(path)
        for path in (
            checkout.WHEELS / "compile.mjs",
            checkout.WHEELS / "compile_archive.py",
            checkout.WEB / "python" / "standard.js",
        )
    )
    ready, missing = [], []
    for source in sources:
        key = hashlib.sha256(compiler + pyodide_version().encode() + read(source)).hexdigest()[:16]
        targets = [cache.folder("wheels") / key / name for name in parts(source)]
        ready.append(targets)
        if not all(target.exists() for target in targets):
            missing.append((source, targets))
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            command = [str(node.find()), str(checkout.WHEELS / "compile.mjs"), str(checkout.PYODIDE)]
            made: list[tuple[Path, Path]] = []
            for source, targets in missing:
                new = [Path(folder) / f"{len(made)}-{index}" for index in range(len(targets))]
                made += zip(new, targets, strict=True)
                command += [str(source), *map(str, new), *[""] * (2 - len(new))]
            done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
            if done.returncode:
                raise Failure(
                    f"what the page needs could not be compiled by {command[0]}:\n{done.stderr.strip()[-2000:]}"
                )
            for path, target in made:
                cache.write_whole(target, path.read_bytes())
    return ready


def micropip_place() -> Path:
    """Return where micropip's wheel is kept."""
    return cache.folder("wheels") / MICROPIP_SHA256[:16] / f"micropip-{MICROPIP}-py3-none-any.whl"


def cached_micropip() -> Path | None:
    """Return micropip's wheel if it was downloaded before."""
    place = micropip_place()
    return place if place.exists() else None


def micropip_wheel() -> Path | None:
    """Return micropip's own wheel, downloaded once by pip and checked, or None where it cannot be had."""
    if found := cached_micropip():
        return found
    target = micropip_place()
    name = target.name
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"micropip=={MICROPIP} --hash=sha256:{MICROPIP_SHA256}\n")
        # Its Python is Pyodide's, not the host's, so the host's version must not decide.
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.14", "--require-hashes"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, "--requirement", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        if done.returncode or not (Path(folder) / name).exists():
            return None
        cache.write_whole(target, (Path(folder) / name).read_bytes())
    return target


def build() -> PythonFiles:
    """Return what Python needs in the page, made where needed. micropip may be absent."""
    library, numpy, own = compile_archives([checkout.PYODIDE / STANDARD_LIBRARY, numpy_wheel(), own_wheel()])
    optional = micropip_wheel()
    wheels = [Wheel(path) for path in [numpy[0], *own, *([optional] if optional else [])]]
    return PythonFiles(library[0], wheels, later=[library[1], numpy[1]])


def main() -> None:
    """Build the wheels and say where they lie (scripts/build-wheels)."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        files = build()
        for path in [files.standard_library, *(wheel.path for wheel in files.wheels), *files.later]:
            print(f"{path.stat().st_size:>10,} bytes  {path}")
    except Failure as failure:
        sys.exit(f"bodylens: {failure}")
    if "micropip" not in files.names:
        print(f"micropip {MICROPIP} cannot be had: the page works, but people's own code can install nothing")


if __name__ == "__main__":
    main()
