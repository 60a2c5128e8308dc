"""Turn a wheel into one of .pyc files in a stored zip. Runs in Pyodide, under node: see compile.mjs.

Unpacking, compiling and importing such a wheel is faster, and brotli, which sees the whole file instead of
small deflated pieces, makes it smaller on the wire.
"""

import base64
import hashlib
import py_compile
import zipfile
from pathlib import Path

SITE = "/lib/python3.14/site-packages"  # where Pyodide installs packages: what tracebacks name
TIME = (2026, 1, 1, 0, 0, 0)  # fixed: same sources, same bytes


def compile_source(source: bytes, name: str) -> bytes:
    """Return the .pyc of one module, which is never checked against its source (there is none beside it)."""
    Path("/module.py").write_bytes(source)
    py_compile.compile(
        "/module.py",
        cfile="/module.pyc",
        dfile=f"{SITE}/{name}",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return Path("/module.pyc").read_bytes()


def digest(data: bytes) -> str:
    """Return the sha256 as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def compile_wheel(source: str, target: str) -> None:
    """Write `target`: the wheel `source` with .pyc in place of .py, stored, and with a RECORD to match."""
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as old:
        for name in old.namelist():
            if name.endswith(("/", ".dist-info/RECORD")):
                continue
            data = old.read(name)
            if name.endswith(".py"):
                name, data = name + "c", compile_source(data, name)
            files[name] = data
    info = next(str(Path(name).parent) for name in files if name.endswith(".dist-info/WHEEL"))
    record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = 0o644 << 16
            new.writestr(entry, data)
