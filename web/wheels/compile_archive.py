"""Turn a wheel, or the standard library's zip, into ones of .pyc files. Runs in Pyodide, under node: see compile.mjs.

Nothing is compiled when it is imported then, and nothing inflated, for the new zips are stored ones: brotli, which sees
the whole file instead of small deflated pieces, makes them small on the wire. What a page does not need at its start
goes into an archive of its own.
"""

import base64
import hashlib
import py_compile
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

TIME = (2026, 1, 1, 0, 0, 0)  # fixed: same sources, same bytes
# What numpy itself imports only once it is asked for.
NUMPY_LATER = ["char/", "core/", "ctypeslib/", "doc/", "f2py/", "fft/", "ma/", "matlib.", "polynomial/", "random/"]
NUMPY_LATER += ["rec/", "strings/", "testing/", "lib/recfunctions.", "lib/_user_array_impl.", "lib/user_array."]
NUMPY_LATER += [
    "linalg/lapack_lite.",
]

Files = dict[str, bytes]


def compile_source(source: bytes, name: str) -> bytes:
    """Return the .pyc of one module, which is never checked against its source (there is none beside it)."""
    Path("/module.py").write_bytes(source)
    py_compile.compile(
        "/module.py",
        cfile="/module.pyc",
        dfile=name,
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return Path("/module.pyc").read_bytes()


def digest(data: bytes) -> str:
    """Return the sha256 as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def compile_files(source: str, place: str) -> Files:
    """Read the archive `source`, with .pyc in place of .py. Tracebacks will name the files below `place`."""
    files: Files = {}
    with zipfile.ZipFile(source) as old:
        for name in old.namelist():
            if name.endswith(("/", ".dist-info/RECORD")):
                continue
            data = old.read(name)
            if name.endswith(".py"):
                name, data = name + "c", compile_source(data, f"{place}/{name}")
            files[name] = data
    return files


def split(files: Files, is_later: Callable[[str], bool]) -> tuple[Files, Files]:
    """Return the files for a page's start, and the others."""
    later = {name: data for name, data in files.items() if is_later(name)}
    return {name: data for name, data in files.items() if name not in later}, later


def split_numpy(files: Files) -> tuple[Files, Files]:
    """Return numpy's files for a page's start, and the others."""
    prefixes = tuple(f"numpy/{name}" for name in NUMPY_LATER)
    return split(files, lambda name: name.startswith(prefixes))


def module(name: str) -> str:
    """Return the name of the module that a file holds."""
    return name.removesuffix(".pyc").removesuffix("/__init__").replace("/", ".")


def split_library(files: Files) -> tuple[Files, Files]:
    """Return those of the standard library that are imported now, with a list of the other modules, and the others."""
    first, later = split(files, lambda name: module(name) not in sys.modules)
    first["later.txt"] = "".join(f"{module(name)}\n" for name in later if name.endswith(".pyc")).encode()
    return first, later


def write(files: Files, target: str) -> None:
    """Write a stored zip, with a wheel's RECORD."""
    files = dict(files)
    for info in [str(Path(name).parent) for name in files if name.endswith(".dist-info/WHEEL")]:
        record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = 0o644 << 16
            new.writestr(entry, data)


def compile_archive(source: str, target: str, place: str, later: str) -> None:
    """Compile the archive `source` and write it to `target`; if `later` is given, what can come later to there."""
    files = compile_files(source, place)
    if later:
        is_library = place.endswith(".zip")
        files, others = split_library(files) if is_library else split_numpy(files)
        write(others, later)
    write(files, target)
