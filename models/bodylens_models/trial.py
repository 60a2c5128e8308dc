"""The self-check of a file that a person brings: it must run, on images, with numbers in shapes that it declares.

A damaged file can make onnxruntime crash or take all memory, so it runs in a process of its own.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bodylens_models.convert.error import ConversionError

try:
    import resource
except ImportError:  # Windows: there without a bound
    resource = None  # type: ignore[assignment]

TIMEOUT = 120  # seconds, on a busy machine
MAX_MEMORY = 16 << 30  # bytes of addresses
OPEN_SIZE = 256  # height and width of the image where the file leaves them open
Shapes = dict[str, list[int | None]]


def try_out(model: bytes) -> tuple[Shapes, Shapes]:
    """Run an ONNX file on two images.

    Returns:
        The shapes of its inputs and outputs by name, None where a size is open.

    Raises:
        ConversionError: it does not take one image (1, 3, height, width) of float32, does not run, or gives values that
            are not finite or not of the shape that it declares.

    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        # -P: nothing in the folder where it is called takes the place of a module.
        command = [sys.executable, "-P", "-m", __spec__.name, str(path)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise ConversionError(f"it did not answer within {TIMEOUT} s") from error
    try:
        said = json.loads(ended.stdout)
    except ValueError as error:
        raise ConversionError("it makes onnxruntime crash") from error
    if "error" in said:
        raise ConversionError(said["error"])
    return said["inputs"], said["outputs"]


def shapes(ends: Any) -> Shapes:  # noqa: ANN401 - onnxruntime's lists of NodeArg have no types
    """Return the shapes by name."""
    return {end.name: [n if isinstance(n, int) else None for n in end.shape] for end in ends}


def examine(path: Path) -> dict[str, Any]:
    """Return the inputs and outputs of an ONNX file, or the error that it makes."""
    import numpy as np
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base class
        return {"error": f"this is not a model that onnxruntime can run: {_line(error)}"}
    inputs, outputs = shapes(session.get_inputs()), shapes(session.get_outputs())
    # onnxruntime tells what it infers in place of what the file says.
    said = {end.name: end.type.tensor_type for end in onnx.load(path, load_external_data=False).graph.output}
    given = session.get_inputs()
    if len(given) != 1 or given[0].type != "tensor(float)" or len(given[0].shape) != 4:
        return {"error": f"one image of float32 is expected as input, this model takes {inputs}"}
    ((name, declared),) = inputs.items()
    shape = [n or default for n, default in zip(declared, (1, 3, OPEN_SIZE, OPEN_SIZE), strict=True)]
    if shape[:2] != [1, 3]:
        return {"error": f"an image is (1, 3, height, width), this model takes {declared}"}
    ramp = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    for image in (np.zeros(shape, np.float32), ramp):
        try:
            results = session.run(None, {name: image})
        except Exception as error:
            return {"error": f"it does not run: {_line(error)}"}
        for output, result in zip(outputs, results, strict=True):
            found = np.asarray(result)
            declared = outputs[output]
            if said[output].HasField("shape"):
                declared = [n.dim_value if n.HasField("dim_value") else None for n in said[output].shape.dim]
            if found.dtype.kind not in "fiub":
                return {"error": f"the output {output} holds no numbers"}
            if not np.isfinite(found).all():
                return {"error": f"the output {output} holds values that are not finite"}
            fits = len(declared) == found.ndim and all(
                n in (None, m) for n, m in zip(declared, found.shape, strict=True)
            )
            if not fits or not found.size:
                return {"error": f"the output {output} has the shape {list(found.shape)}, the file says {declared}"}
    return {"inputs": inputs, "outputs": outputs}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    if resource is not None:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What onnxruntime's own threads print must not mix with the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer.write(json.dumps(examine(Path(sys.argv[1]))))
    answer.close()
