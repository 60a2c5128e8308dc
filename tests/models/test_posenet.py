"""PoseNet and BodyPix, converted, answer as their originals do, at every stride and size."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tfjs

import pictures
from bodylens_models import catalogue, sources, store
from bodylens_models.convert import from_checkpoint
from bodylens_models.convert.serialize import serialize

# What no public package holds lies in a mirror folder; without one those tests are left out.
MIRROR = Path(os.environ.get("BODYLENS_MIRROR", Path(__file__).parents[3] / "shared"))
MIRROR = MIRROR / "models" if (MIRROR / "models").is_dir() else MIRROR


@pytest.fixture
def mirror(monkeypatch):
    if not (MIRROR / "posenet_checkpoint_mobilenet_v1_050").is_dir():
        pytest.skip("these weights are in no public package; set BODYLENS_MIRROR to a folder that holds them")
    monkeypatch.setenv("BODYLENS_MIRROR", str(MIRROR))


def run(name, variant, image):
    session = onnxruntime.InferenceSession(store.ensure(name, variant))
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"image": image}), strict=True))


def test_posenet_is_that_of_tfjs(image_for, tmp_path, errors):
    entry = catalogue.entry("posenet-075")
    image = image_for(entry.input)
    model, *shards = sources.obtain(store.cache_folder(), entry).values()
    names = [output.tensor for output in entry.outputs.values()]
    expected = tfjs.run(model, shards, image.transpose(0, 2, 3, 1).astype(np.float32), names, tmp_path)
    results = run("posenet-075", None, image)
    for key, output in entry.outputs.items():
        oracle = expected[output.tensor].transpose(0, 3, 1, 2)
        error, reach = float(np.abs(results[key] - oracle).max()), float(np.ptp(oracle))
        errors(entry.label, key, error, reach)
        assert error <= 1e-3 * reach


def test_the_checkpoint_builds_the_very_network_that_the_package_ships(mirror, image_for):
    folder = MIRROR / "posenet_checkpoint_mobilenet_v1_075"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    entry = catalogue.entry("posenet-075", "small")
    scopes = {key: f"{key.removesuffix('s')}_2" for key in entry.outputs}
    graph = from_checkpoint.convert(files, scopes, size=(257, 257))
    session = onnxruntime.InferenceSession(serialize(graph, float16="none"))
    image = image_for(entry.input)
    for key, result in zip(scopes, session.run(list(scopes), {"image": image}), strict=True):
        assert np.abs(result - run("posenet-075", "small", image)[key]).max() < 1e-3


@pytest.mark.parametrize("name", ["posenet-075", "posenet-050", "bodypix-050"])
def test_a_finer_grid_holds_the_coarser_one(name, image_for, request):
    if name != "posenet-075":
        request.getfixturevalue("mirror")
    image = image_for(catalogue.entry(name).input)
    usual, fine = run(name, None, image), run(name, "stride8", image)
    for key, value in usual.items():
        assert fine[key][..., ::2, ::2].shape == value.shape
        assert np.abs(fine[key][..., ::2, ::2] - value).max() <= 1e-4 * max(1.0, float(np.ptp(value))), key
    if "stride32" in catalogue.entry(name).variants:
        for key, value in run(name, "stride32", image).items():
            assert np.abs(usual[key][..., ::2, ::2] - value).max() <= 1e-4 * max(1.0, float(np.ptp(value))), key


def test_an_open_size_answers_as_the_fixed_ones(image_for):
    for variant in ("small", "wide"):
        image = image_for(catalogue.entry("posenet-075", variant).input)
        fixed, free = run("posenet-075", variant, image), run("posenet-075", "any-size", image)
        for key, value in fixed.items():
            assert np.abs(free[key] - value).max() <= 1e-4 * max(1.0, float(np.ptp(value)))


def test_bodypix_is_the_network_that_it_was(mirror, image_for, errors):
    entry = catalogue.entry("bodypix-050")
    image = image_for(entry.input)
    (file,) = sources.obtain(store.cache_folder(), entry).values()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it lists constants among its inputs, which onnxruntime remarks upon
    original = onnxruntime.InferenceSession(file, options)
    ours = run("bodypix-050", None, image)
    for key, value in ours.items():
        (oracle,) = original.run([{"offsets": "short_offsets"}.get(key, key)], {"input": image.transpose(0, 2, 3, 1)})
        oracle = oracle.transpose(0, 3, 1, 2)
        error = float(np.abs(value - oracle).max())
        errors(entry.label, key, error, float(np.ptp(oracle)))
        assert error <= 1e-3 * max(1.0, float(np.ptp(oracle)))


def test_bodypix_finds_the_person_in_the_middle(mirror):
    entry = catalogue.entry("bodypix-050")
    image = pictures.picture(pictures.PICTURES / "astronaut.jpg", entry.input)
    mask = run("bodypix-050", None, image)["segments"][0, 0] > 0
    rows, columns = mask.shape
    assert mask[rows // 2, columns * 2 // 5]
    assert not mask[2, columns - 3]
    assert 0.2 < mask.mean() < 0.8
