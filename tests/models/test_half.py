"""Arithmetic in float16 changes the answers little; natively onnxruntime rounds only the weights and the ends."""

import numpy as np
import onnxruntime
import pytest

import pictures
from bodylens_models import catalogue, store


@pytest.mark.parametrize(
    ("name", "variant", "share"),
    [
        ("selfie-general", None, 0.03),
        ("selfie-landscape", None, 0.03),
        ("blazepose-detector", None, 0.02),
        ("blazepose-lite", None, 0.02),
        ("blazepose-full", None, 0.02),
        ("movenet-lightning", "heads", 0.03),
    ],
)
def test_the_answers_stay_within_a_share_of_their_range(name, variant, share, errors):
    entry = catalogue.entry(name, "half")
    image = pictures.picture(pictures.PICTURES / "astronaut.jpg", entry.input)
    names = [output.name for output in entry.outputs.values()]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    whole = onnxruntime.InferenceSession(store.ensure(name, variant)).run(names, {"image": image})
    half = onnxruntime.InferenceSession(store.ensure(name, "half"), options).run(names, {"image": image})
    for key, a, b in zip(names, whole, half, strict=True):
        assert b.dtype == np.float32
        error, reach = float(np.abs(a - b).max()), float(np.ptp(a))
        errors(entry.label, key, error, reach)
        # One pixel on an edge may differ more; the picture as a whole may not.
        assert np.percentile(np.abs(a - b), 99) <= share * max(1.0, reach), key
