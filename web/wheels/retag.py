"""Give a wheel a build tag: python retag.py WHEEL BUILD_TAG FOLDER. Prints the new file's name, sha256 and size.

The tag tells our numpy from the official file of the same version: it is in the name and in WHEEL, and nothing else
changes.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path


def digest(data: bytes) -> str:
    """Return the sha256 as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def retag(wheel: Path, build: str, folder: Path) -> Path:
    """Write `wheel` into `folder` with the build tag `build`; everything else stays byte for byte."""
    name, version, *tags = wheel.name.split("-")
    target = folder / "-".join([name, version, build, *tags])
    with zipfile.ZipFile(wheel) as old:
        info = f"{name}-{version}.dist-info"
        described = old.read(f"{info}/WHEEL")
        root, rest = described.split(b"\nTag: ", 1)
        described = root + b"\nBuild: " + build.encode() + b"\nTag: " + rest
        with zipfile.ZipFile(target, "w") as new:
            for entry in old.infolist():
                data = old.read(entry)
                if entry.filename == f"{info}/WHEEL":
                    data = described
                elif entry.filename == f"{info}/RECORD":
                    lines = data.decode().splitlines(keepends=True)
                    ours = f"{info}/WHEEL,sha256={digest(described)},{len(described)}\n"
                    data = "".join(ours if line.startswith(f"{info}/WHEEL,") else line for line in lines).encode()
                new.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return target


if __name__ == "__main__":
    written = retag(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    print(written.name, hashlib.sha256(written.read_bytes()).hexdigest(), written.stat().st_size)
