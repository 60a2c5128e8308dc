"""MoveNet, converted, answers as tfjs does: whole, and cut at its heads."""

import numpy as np
import onnx
import onnxruntime
import pytest
import tfjs

import pictures
from bodylens_models import catalogue, sources, store
from bodylens_models.catalogue.entry import Input

MODELS = ["movenet-lightning", "movenet-thunder", "movenet-multipose"]


def bytes_image(entry, picture):
    """The same picture twice: 0…255 NHWC int32 for tfjs, and as the converted network takes it."""
    whole = np.round(picture(entry.input.shape)).astype(np.int32)
    step = np.float32(0.007843017578125)
    return np.ascontiguousarray(whole.transpose(0, 2, 3, 1)), whole.astype(np.float32) * step - 1


@pytest.fixture(params=["noise", "astronaut", "pose.jpg"])
def picture(request):
    """A function from a shape to a picture from 0 to 255."""

    def make(shape):
        given = Input("image", shape[2], shape[3], 0.0, 255.0, "letterbox")
        if request.param == "noise":
            return pictures.noise(given)
        path = pictures.PICTURES / "astronaut.jpg" if request.param == "astronaut" else pictures.MEDIA / request.param
        if not path.exists():
            pytest.skip(f"{path.name} is not part of the project; set BODYLENS_MEDIA to the folder that holds it")
        return pictures.picture(path, given)

    make.real = request.param != "noise"
    return make


@pytest.mark.parametrize(
    ("name", "variant"),
    [*((name, None) for name in MODELS), ("movenet-multipose", "wide"), ("movenet-lightning", "webgl")],
)
def test_heads_and_poses_are_those_of_tfjs(name, variant, picture, tmp_path, errors):
    entry = catalogue.entry(name, variant)
    heads = catalogue.entry(name, "heads" if variant is None else variant if variant == "webgl" else f"{variant}+heads")
    files = sources.obtain(store.cache_folder(), entry)
    model, *shards = files.values()
    original, image = bytes_image(entry, picture)
    parts = heads.outputs["heads"].tensor.split("|")
    expected = tfjs.run(model, shards, original, [*parts, "Identity"], tmp_path)

    session = onnxruntime.InferenceSession(store.ensure(name, heads.variant))
    (joined,) = session.run(["heads"], {"image": image})
    oracle = np.concatenate([expected[part] for part in parts], axis=-1).transpose(0, 3, 1, 2)
    error = float(np.abs(joined - oracle).max())
    errors(heads.label, "heads", error, float(np.ptp(oracle)))
    assert error < 1e-3 * max(1.0, float(np.ptp(oracle)))

    # On noise the best cell of a heat map is a matter of the last bit.
    if picture.real and "poses" in entry.outputs:
        (poses,) = onnxruntime.InferenceSession(store.ensure(name, variant)).run(["poses"], {"image": image})
        oracle = expected["Identity"]
        if name == "movenet-multipose":
            kept = oracle[..., -1] > 0.1
            poses, oracle = poses[kept], oracle[kept]
        error = float(np.abs(poses - oracle).max()) if oracle.size else 0.0
        errors(entry.label, "poses", error, float(np.ptp(oracle)) if oracle.size else 0.0)
        assert error < 2e-3


@pytest.mark.parametrize("name", MODELS)
def test_a_network_cut_at_its_heads_has_only_operators_of_images(name):
    operators = {node.op_type for node in onnx.load(store.ensure(name, "heads")).graph.node}
    assert operators <= {"Cast", "Conv", "Clip", "Add", "Relu", "Resize", "Sigmoid", "Concat"}
