"""Selfie segmentation, converted, answers as the original does."""

import litert
import numpy as np
import onnxruntime
import pytest

from bodylens_models import catalogue, sources, store


@pytest.mark.parametrize("variant", [None, "webgl"])
@pytest.mark.parametrize("name", ["selfie-general", "selfie-landscape"])
def test_the_mask_is_that_of_litert(name, variant, image_for, errors):
    entry = catalogue.entry(name, variant)
    session = onnxruntime.InferenceSession(store.ensure(name, variant))
    image = image_for(entry.input)
    (mask,) = session.run(["mask"], {"image": image})

    file = sources.obtain(store.cache_folder(), entry)[entry.source.files[0].name]
    expected = litert.run_selfie(file.read_bytes(), np.ascontiguousarray(image.transpose(0, 2, 3, 1)))

    error = float(np.abs(mask[:, 0, :, :, None] - expected).max())
    errors(entry.label, "mask", error, float(np.ptp(expected)))
    assert error < 1e-3


@pytest.mark.parametrize("name", ["selfie-general", "selfie-landscape"])
def test_no_data_is_moved_between_layouts(name):
    import onnx

    model = onnx.load(store.ensure(name))
    assert not [node.op_type for node in model.graph.node if node.op_type in ("Transpose", "Reshape")]
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == ["mask"]
