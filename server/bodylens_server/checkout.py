"""Where the parts of a checkout lie: the server serves the project's own sources, as they are."""

from pathlib import Path

from bodylens_server.errors import Failure

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
NODE_MODULES = WEB / "node_modules"
PYODIDE = NODE_MODULES / "pyodide"
ONNXRUNTIME = NODE_MODULES / "onnxruntime-web" / "dist"
THREE = NODE_MODULES / "three" / "build"
WHEELS = WEB / "wheels"
PYSRC = ROOT / "pysrc"


def require() -> None:
    """Raise a Failure where this is an installed package without the page's sources."""
    if not (WEB / "index.html").exists():
        raise Failure(
            "the page's files are not part of an installed package: run scripts/serve in a checkout of the project, "
            'or pip install --editable ".[server]" there'
        )
