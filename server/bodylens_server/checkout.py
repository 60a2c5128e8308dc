"""Where the parts of a checkout lie: the server serves the project's own sources, as they are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
NODE_MODULES = WEB / "node_modules"
PYODIDE = NODE_MODULES / "pyodide"
ONNXRUNTIME = NODE_MODULES / "onnxruntime-web" / "dist"
THREE = NODE_MODULES / "three" / "build"
WHEELS = WEB / "wheels"
PYSRC = ROOT / "pysrc"
