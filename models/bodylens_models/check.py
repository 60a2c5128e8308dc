"""The self-check of a provider: a picture made of integers, and what the network must answer to it.

The picture is the same in Python and in JavaScript to the last bit. For channel c, row y, column x of an input of
`height` H and `width` W, with the record's `modulus` M and `shift` S,

    image[c][y][x] = low + (high - low) * ((((2x - W)² + (2y - H)² + c * S) mod M) / M)

in float64, then stored as float32, channel after channel (NCHW). In JavaScript:

    let i = 0;
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < H; y++)
        for (let x = 0; x < W; x++)
          image[i++] = low + (high - low) * (((2 * x - W) ** 2 + (2 * y - H) ** 2 + c * S) % M / M);

The record is plain JSON:

    {"pattern": "rings", "modulus": M, "shift": S,
     "outputs": {meaning: {"start": s, "step": k, "tolerance": t, "values": [v0, v1, …]}}}

An output passes when, for each n, |flat output[s + n * k] - vn| <= t and the element is a number.
"""

from typing import Any

import numpy as np
import onnxruntime

from bodylens_models.catalogue.entry import Entry, Input
from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.value import Array

SAMPLES = 64


def rings(given: Input, modulus: int, shift: int) -> Array:
    """The picture for `given`: (1, 3, height, width) float32, values from low to high."""
    c, y, x = np.indices((3, given.height, given.width), dtype=np.int64)
    part = (((2 * x - given.width) ** 2 + (2 * y - given.height) ** 2 + c * shift) % modulus) / modulus
    return np.asarray(given.low + (given.high - given.low) * part, dtype=np.float32)[None]


def make(model: bytes, entry: Entry) -> dict[str, Any]:
    """Run the converted `model` on the picture with native onnxruntime and record samples of each output.

    Raises ConversionError when the file does not run, or its outputs are not those that the catalogue names.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in entry.outputs.values()]
        results = session.run(names, {entry.input.name: rings(entry.input, **entry.pattern)})
    except Exception as error:  # onnxruntime's own errors share no base class
        raise ConversionError(f"{entry.label} was converted but does not run: {error}") from error
    outputs = {}
    for (key, output), result in zip(entry.outputs.items(), results, strict=True):
        if result.shape != output.shape:
            raise ConversionError(
                f"{entry.label}: output {key} has shape {list(result.shape)}, the catalogue says {list(output.shape)}"
            )
        if not np.isfinite(result).all():
            raise ConversionError(f"{entry.label}: output {key} holds values that are not numbers")
        outputs[key] = _sample(result)
    return {"pattern": "rings", **entry.pattern, "outputs": outputs}


def _sample(result: Array) -> dict[str, Any]:
    flat = result.reshape(-1).astype(np.float64)
    # Odd, so that the samples do not all lie in one column of an image.
    step = max(1, (flat.size // SAMPLES - 1) | 1)
    start = step // 2
    reach = float(flat.max() - flat.min())
    return {
        "start": start,
        "step": step,
        # One percent of the output's range: float16 arithmetic stays within it, a wrong operator does not.
        "tolerance": float(f"{max(1e-3, 0.01 * reach):.3g}"),
        "values": [float(f"{value:.6g}") for value in flat[start::step][:SAMPLES]],
    }
