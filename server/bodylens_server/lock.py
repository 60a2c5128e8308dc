"""Pyodide's lock file, reduced to the wheels that we serve: so nothing in it points to another origin."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pyodide_lock import PackageSpec, PyodideLockSpec
from pyodide_lock.spec import InfoSpec

from bodylens_server import checkout
from bodylens_server.wheels import Wheel, pyodide_version, read

DEPENDS = {"bodylens": ["numpy"]}


def package(wheel: Wheel) -> PackageSpec:
    """Describe a wheel as the lock does, with its own sha256: ours are not the files that Pyodide's lock means."""
    return PackageSpec(
        name=wheel.name,
        version=wheel.version,
        file_name=wheel.path.name,
        install_dir="site",
        sha256=wheel.sha256,
        package_type="package",
        imports=[wheel.name],
        depends=DEPENDS.get(wheel.name, []),
    )


def make_lock(wheels: Iterable[Wheel], original: Path = checkout.PYODIDE / "pyodide-lock.json") -> bytes:
    """Return the lock for these wheels, with the `info` of Pyodide's own lock."""
    info = json.loads(read(original))["info"]
    # The release of pyodide-lock for Python 3.11 is built quite differently from the later ones, and writes a version
    # into `info` that the format no longer has. What follows works with both.
    spec = PyodideLockSpec(
        info=InfoSpec(version=pyodide_version(), **info),
        packages={wheel.name: package(wheel) for wheel in wheels},
    )
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "pyodide-lock.json"
        spec.to_json(written)
        lock = json.loads(written.read_text(encoding="utf-8"))
    lock["info"] = info
    return json.dumps(lock, indent=1, sort_keys=True).encode()
