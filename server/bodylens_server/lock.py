"""Pyodide's lock file, reduced to the wheels that we serve: so nothing in it points to another origin."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
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


def known(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """Keep what this release of pyodide-lock knows: the one for Python 3.11 is older than the lock's format."""
    return {name: value for name, value in fields.items() if name in model.model_fields}


def make_lock(wheels: Iterable[Wheel], original: Path = checkout.PYODIDE / "pyodide-lock.json") -> bytes:
    """Return the lock for these wheels, with the `info` of Pyodide's own lock."""
    info = json.loads(read(original))["info"]
    described = known(InfoSpec, {"version": pyodide_version(), **info})
    spec = PyodideLockSpec(info=InfoSpec(**described), packages={wheel.name: package(wheel) for wheel in wheels})
    lock = spec.model_dump(mode="json")
    lock["info"] = info
    return json.dumps(lock, indent=1, sort_keys=True).encode()
