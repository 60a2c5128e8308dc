"""Quantised networks, converted, answer as LiteRT does: to the step where rounding is copied, near it where not."""

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from test_posenet import mirror  # noqa: F401 - a fixture

import pictures
from bodylens_models import catalogue, sources, store
from bodylens_models.convert import from_tflite
from bodylens_models.convert.from_tflite.file import read
from bodylens_models.convert.serialize import serialize

pytestmark = pytest.mark.usefixtures("mirror")
MODELS = [
    ("posenet-075-int8", None),
    ("posenet-075-int8", "720x1280"),
    ("bodypix-075-int8", None),
    ("movenet-lightning-int8", None),
]


def original(entry, image):
    """What LiteRT answers: {tensor: (real numbers, size of a step)}."""
    (file,) = sources.obtain(store.cache_folder(), entry).values()
    interpreter = Interpreter(model_path=str(file), num_threads=2)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    stored = np.round((image - entry.input.low) * 255 / (entry.input.high - entry.input.low)).astype(np.uint8)
    interpreter.set_tensor(given["index"], np.ascontiguousarray(stored.transpose(0, 2, 3, 1)))
    interpreter.invoke()
    answers = {}
    for detail in interpreter.get_output_details():
        value, (scale, zero) = interpreter.get_tensor(detail["index"]), detail["quantization"]
        real = (value.astype(np.float32) - zero) * scale if scale else value
        answers[detail["name"]] = (real, scale or 1 / 256)
    return answers


def stepped(entry, picture):
    """The picture with values that bytes can stand for."""
    step = (entry.input.high - entry.input.low) / 255
    return (np.round((picture - entry.input.low) / step) * step + entry.input.low).astype(np.float32)


@pytest.mark.parametrize(("name", "variant"), MODELS)
def test_heads_are_those_of_litert(name, variant, errors):
    whole = catalogue.entry(name, variant)
    image = stepped(whole, pictures.picture(pictures.PICTURES / "astronaut.jpg", whole.input))
    answers = original(whole, image)
    for kind in ("exact", None):
        label = "+".join(part for part in (variant, kind) if part) or None
        entry = catalogue.entry(name, label)
        session = onnxruntime.InferenceSession(store.ensure(name, label))
        results = session.run([output.name for output in entry.outputs.values()], {"image": image})
        for (key, output), result in zip(entry.outputs.items(), results, strict=True):
            tensor, _, planes = output.tensor.partition("[")
            oracle, step = answers[tensor]
            if planes:
                first, last = planes.rstrip("]").split(":")
                oracle = oracle[..., int(first) : int(last)]
            oracle = oracle if output.order == "source" else oracle.transpose(0, 3, 1, 2)
            if output.order == "source":
                # Keypoints that are not in the picture may be anywhere.
                seen = oracle[0, 0, :, 2] > 0.4
                assert seen.sum() >= 5
                result, oracle = result[0, 0, seen], oracle[0, 0, seen]
            # The original cannot hold what lies beyond its range.
            result = result.clip(oracle.min(), oracle.max())
            off = np.abs(result - oracle) / step
            errors(entry.label, key, float(off.max() * step), float(np.ptp(oracle)))
            if output.order == "source":
                assert np.median(off[:, :2]) < 0.02 / step, key
                assert off[:, :2].max() < 0.15 / step, key
                continue
            # Sums that end on a half are rounded up here and down there, and thirty layers spread that:
            # the median stays within a step or two, which the float network need not.
            assert np.median(off) <= (2 if kind == "exact" else 6), key
            if result.size > 1000:
                together = np.corrcoef(result.reshape(-1), oracle.reshape(-1))[0, 1]
                assert together > (0.99 if kind == "exact" else 0.95), key


@pytest.mark.filterwarnings("ignore:Warning. Enabling:UserWarning")
@pytest.mark.parametrize("name", ["posenet-075-int8", "bodypix-075-int8", "movenet-lightning-int8"])
def test_the_first_layers_round_as_litert_does(name):
    entry = catalogue.entry(name)
    (path,) = sources.obtain(store.cache_folder(), entry).values()
    data = path.read_bytes()
    picture = stepped(entry, pictures.picture(pictures.PICTURES / "astronaut.jpg", entry.input))
    interpreter = Interpreter(model_content=data, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    stored = np.round((picture - entry.input.low) * 255 / (entry.input.high - entry.input.low)).astype(np.uint8)
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], np.ascontiguousarray(stored.transpose(0, 2, 3, 1))
    )
    interpreter.invoke()
    file = read(data)
    first = [op for op in file.operators if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "MUL")][:2]
    tensors = [file.tensors[op.outputs[0]] for op in first]
    graph = from_tflite.convert(data, {f"layer{i}": tensor.name for i, tensor in enumerate(tensors)}, exact=True)
    results = onnxruntime.InferenceSession(serialize(graph)).run(None, {"image": picture})
    tensor, result = tensors[0], results[0]
    steps = interpreter.get_tensor(tensor.index).astype(np.float32) - tensor.quantization.zero_point[0]
    off = np.abs(result / tensor.quantization.scale[0] - steps.transpose(0, 3, 1, 2))
    assert (off > 0.5).mean() < 1e-4
    assert off.max() < 1.5


def test_weights_are_stored_as_the_whole_numbers_that_they_are():
    import onnx

    model = onnx.load(store.ensure("posenet-075-int8"))
    bytes_ = [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type in (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
    ]
    assert len(bytes_) == 31
    assert len(model.SerializeToString()) < 1.1 * catalogue.entry("posenet-075-int8").source.bytes


def test_the_float_network_agrees_with_the_float_original(image_for):
    """The same network, trained alike, in two publications: where one sees a keypoint, so does the other."""
    entry = catalogue.entry("posenet-075-int8")
    image = image_for(entry.input)
    (ours,) = onnxruntime.InferenceSession(store.ensure("posenet-075-int8")).run(["offsets"], {"image": image})
    session = onnxruntime.InferenceSession(store.ensure("posenet-075", "any-size"))
    (other,) = session.run(["offsets"], {"image": image})
    assert ours.shape == other.shape
    assert np.median(np.abs(ours - other)) < 8
