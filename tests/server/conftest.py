"""A small web folder, and the site that is made of it and of the real packages."""

import re

import cv2
import numpy as np
import pytest

from bodylens_server import certificates, checkout, wheels
from bodylens_server.encoding import Encodings
from bodylens_server.site import Site

INDEX = '<meta name="bodylens:site" content="{{site}}"><script type="module" src="{{app}}/page/main.js"></script>'
MAIN = "// a program\n" * 100
VIDEO = bytes(range(256)) * 40
HALVES = {" ": (1, 1), "▀": (0, 1), "▄": (1, 0), "█": (0, 0)}  # of a QR code; dark modules are 1


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give a cache of one's own, so that no test sees what another run left behind."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BODYLENS_CACHE", str(folder))
    return folder


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web"
    for name, content in {
        "index.html": INDEX.encode(),
        "style.css": b"body { margin: 0 }",
        "page/main.js": MAIN.encode(),
        "samples/clip.mp4": VIDEO,
        "samples/.hidden.js": b"hidden",
        "types.d.ts": b"types",
        "package.json": b"{}",
        "node_modules/left/pad.js": b"installed",
        "wheels/compile.mjs": b"build",
        ".npmrc": b"secret",
        "sw-live.js": (checkout.WEB / "sw-live.js").read_bytes(),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "wheels" / "numpy-1.2-1bodylens-cp314-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(b"a wheel")
    return wheels.Wheel(path)


@pytest.fixture
def python_files(wheel, tmp_path):
    library = tmp_path / "python_stdlib.zip"
    library.write_bytes(b"a library")
    later = tmp_path / "python_stdlib_later.zip"
    later.write_bytes(b"the rest of the library")
    return wheels.PythonFiles(library, [wheel], [later])


@pytest.fixture
def site(cache, web, python_files):
    return Site(python_files, web)


@pytest.fixture
def encodings(cache):
    return Encodings()


@pytest.fixture
def own(tmp_path):
    """Write a certificate of one's own for localhost; give its paths and the root to trust."""
    root = certificates.make_root("desk", [], [])
    pem = certificates.make_leaf(root, ["localhost", "127.0.0.1"]).pem
    begin = pem.index(b"-----BEGIN CERTIFICATE-----")
    (tmp_path / "own.crt").write_bytes(pem[begin:])
    (tmp_path / "own.key").write_bytes(pem[:begin])
    return tmp_path / "own.crt", tmp_path / "own.key", root.der


@pytest.fixture
def scan():
    """Read the QR code in a terminal's text, as the camera of a phone would: `scan(text)`."""

    def scan(text):
        lines = [line for line in text.splitlines() if "\x1b[97;40m" in line]
        rows = [re.sub(r"\x1b\[[0-9;]*m", "", line).removeprefix("  ") for line in lines]
        modules = np.array([[HALVES[char][half] for char in row] for row in rows for half in (0, 1)], np.uint8)
        picture = np.kron(1 - modules, np.ones((8, 8), np.uint8)) * 255
        picture = cv2.copyMakeBorder(picture, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)
        # The plain QRCodeDetector finds one in a hundred codes not at all.
        return cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0]

    return scan
