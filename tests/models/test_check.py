"""The self-check of a provider can be made in another language and tells right from wrong."""

import numpy as np
import onnxruntime
import pytest

from bodylens_models import catalogue, check, store


def test_the_picture_is_what_the_formula_says():
    given = catalogue.entry("selfie-landscape").input
    image = check.rings(given, modulus=8192, shift=1000)
    assert image.shape == (1, 3, 144, 256)
    assert image.dtype == np.float32
    c, y, x = 2, 100, 31
    expected = (((2 * x - 256) ** 2 + (2 * y - 144) ** 2 + c * 1000) % 8192) / 8192
    assert image[0, c, y, x] == np.float32(expected)


@pytest.mark.parametrize("name", ["selfie-general", "selfie-landscape"])
def test_the_record_says_what_native_onnxruntime_answers(name):
    path = store.ensure(name)
    spec = store.page_spec(catalogue.entry(name))
    given = catalogue.entry(name).input
    image = check.rings(given, spec["check"]["modulus"], spec["check"]["shift"])
    (mask,) = onnxruntime.InferenceSession(path).run(["mask"], {"image": image})
    samples = spec["check"]["outputs"]["mask"]
    values = mask.reshape(-1)[samples["start"] :: samples["step"]][: len(samples["values"])]
    assert len(samples["values"]) == 64
    assert np.abs(values - samples["values"]).max() < samples["tolerance"] / 10
    # A mask that is flat would pass whatever a provider computes.
    assert np.ptp(values) > 0.5
