"""BlazePose, converted, answers as LiteRT does."""

import litert
import numpy as np
import onnx
import onnxruntime
import pytest

from bodylens_models import catalogue, sources, store

MODELS = ["blazepose-detector", "blazepose-lite", "blazepose-full", "blazepose-heavy"]


def original(entry):
    return sources.obtain(store.cache_folder(), entry)[entry.source.files[0].name].read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_every_output_is_that_of_litert(name, image_for, errors):
    entry = catalogue.entry(name)
    image = image_for(entry.input)
    session = onnxruntime.InferenceSession(store.ensure(name))
    results = session.run([output.name for output in entry.outputs.values()], {"image": image})
    expected = litert.run(original(entry), [np.ascontiguousarray(image.transpose(0, 2, 3, 1))])

    for (key, output), result in zip(entry.outputs.items(), results, strict=True):
        oracle = expected[output.tensor]
        oracle = oracle.transpose(0, 3, 1, 2) if oracle.ndim == 4 else oracle
        error, reach = float(np.abs(result - oracle).max()), float(np.ptp(oracle))
        errors(entry.label, key, error, reach)
        assert error <= 1e-3 * max(reach, 1.0), key


@pytest.mark.parametrize("variant", ["poses", "plain", "webgl"])
def test_a_variant_gives_the_same_answers_with_less(variant, image_for):
    whole, part = catalogue.entry("blazepose-lite"), catalogue.entry("blazepose-lite", variant)
    image = image_for(whole.input)
    names = [output.name for output in part.outputs.values()]
    expected = onnxruntime.InferenceSession(store.ensure("blazepose-lite")).run(names, {"image": image})
    session = onnxruntime.InferenceSession(store.ensure("blazepose-lite", variant))
    assert sorted(output.name for output in session.get_outputs()) == sorted(names)
    for name, a, b in zip(names, expected, session.run(names, {"image": image}), strict=True):
        assert np.abs(a - b).max() <= 1e-4 * max(1.0, float(np.ptp(a))), name


@pytest.mark.parametrize("name", MODELS)
def test_padding_is_the_convolutions_own(name):
    operators = [node.op_type for node in onnx.load(store.ensure(name)).graph.node]
    # Where channels are added to a shortcut, a Pad of channels has to stay.
    assert "Transpose" not in operators or name == "blazepose-detector"
    assert operators.count("Pad") <= {"blazepose-heavy": 3}.get(name, 0)
