"""Turn a wheel, or the standard library's zip, into one of .pyc files. Runs in Pyodide, under node: see compile.mjs.

Nothing is compiled when it is imported then, and nothing inflated, for the new zip is a stored one: brotli, which sees
the whole file instead of small deflated pieces, makes it small on the wire.
"""

import base64
import hashlib
import py_compile
import zipfile
from pathlib import Path

TIME = (2026, 1, 1, 0, 0, 0)  # fixed: same sources, same bytes


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


def compile_archive(source: str, target: str, place: str) -> None:
    """Write `target`: the archive `source` with .pyc in place of .py, stored, and with a wheel's RECORD to match.

    Tracebacks will name the files below `place`.
    """
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as old:
        for name in old.namelist():
            if name.endswith(("/", ".dist-info/RECORD")):
                continue
            data = old.read(name)
            if name.endswith(".py"):
                name, data = name + "c", compile_source(data, f"{place}/{name}")
            files[name] = data
    for info in [str(Path(name).parent) for name in files if name.endswith(".dist-info/WHEEL")]:
        record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = 0o644 << 16
            new.writestr(entry, data)
