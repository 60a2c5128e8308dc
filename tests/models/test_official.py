"""The official PoseNet and BodyPix files, brought in by hand, become the models of the catalogue."""

import argparse

import numpy as np
import official
import onnxruntime
import pytest
import tfjs

import bodylens
from bodylens import bodypix, posenet
from bodylens_models import catalogue, command, imports, store
from bodylens_models.convert.error import ConversionError

MOBILENETS = ["posenet-100", "bodypix-mobilenet-050", "bodypix-mobilenet-075", "bodypix-mobilenet-100"]
RESNETS = ["posenet-resnet50", "bodypix-resnet50"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(name, folder, stride=None):
    """The official file of a model, but for its weights."""
    many = name.startswith("bodypix")
    return official.resnet(folder, many, stride or 32) if name in RESNETS else official.mobilenet(folder, many)


def run_command(*words):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def labels(name):
    """All that the pipelines may ask for, natively too."""
    inputs = (posenet.INPUTS if name.startswith("posenet") else bodypix.INPUTS)[name]
    usual = [inputs.choose(stride, *size, False)[0] for stride, sizes in inputs.sizes.items() for size in sizes]
    return [*usual, *(inputs.choose(stride, 300, 300, True)[0] for stride in inputs.sizes)]


@pytest.mark.parametrize("name", MOBILENETS + RESNETS)
def test_without_weights_the_model_says_what_to_run(name, cache):
    make = bodylens.create_segmenter if name.startswith("bodypix") else bodylens.create_detector
    with pytest.raises(store.ModelUnavailable) as error:
        make(name).estimate(np.zeros((48, 64, 3), np.uint8))
    assert str(error.value).startswith(f"the model {name} cannot be had: ")
    assert str(error.value).endswith(
        f"bodylens models import {'model-stride32' if name in RESNETS else 'model-stride16'}.json --name {name}"
    )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MOBILENETS[:2] + RESNETS)
def test_the_file_becomes_the_model_and_its_variants(name, cache, tmp_path, capsys):
    assert run_command("import", str(write(name, tmp_path / "a")), "--name", name) == 0
    if name in RESNETS:
        stride16 = [label for label in labels(name) if "stride16" in label]
        assert all(store.record(catalogue.entry(name, label.partition("+")[2])) is None for label in stride16)
        with pytest.raises(store.ModelUnavailable, match=r"model-stride16\.json"):
            store.path(name, "stride16")
        assert run_command("import", str(write(name, tmp_path / "b", 16)), "--name", name) == 0
    said = capsys.readouterr().out
    for label in labels(name):
        plain, _, variant = label.partition("+")
        assert store.path(plain, variant or None).is_file()
        assert label in said
    assert store.state(name).state == "ready"
    assert store.page_spec(catalogue.entry(name))["check"]
    assert run_command("list") == 0
    assert f"{name}:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "stride"), [("bodypix-mobilenet-100", 16), ("bodypix-resnet50", 32), ("posenet-resnet50", 16)]
)
def test_it_answers_as_tfjs_does_on_a_picture_prepared_as_the_original_does(name, stride, cache, tmp_path):
    path = write(name, tmp_path / "a", stride)
    found = imports.import_file(path, name)
    entry = next(catalogue.entry(name, label.partition("+")[2]) for label in found.ready)
    session = onnxruntime.InferenceSession(found.path)
    picture = np.random.default_rng(3).integers(0, 256, (entry.input.height, entry.input.width, 3)).astype(np.float32)
    given = entry.input.low + picture / 255 * np.float32(entry.input.high - entry.input.low)
    answers = session.run(list(entry.outputs), {"image": given.transpose(2, 0, 1)[None].astype(np.float32)})
    # ref: tfjs-models, body-pix/src/mobilenet.ts and resnet.ts
    prepared = picture + np.float32([-123.15, -115.90, -103.06]) if name in RESNETS else picture / np.float32(127.5) - 1
    shards = sorted(path.parent.glob("*.bin"))
    names = [output.tensor for output in entry.outputs.values()]
    expected = tfjs.run(path, shards, prepared[None].astype(np.float32), names, tmp_path / "tfjs")
    for answer, output in zip(answers, entry.outputs.values(), strict=True):
        oracle = expected[output.tensor].transpose(0, 3, 1, 2)
        assert answer.shape == oracle.shape
        assert np.ptp(oracle) > 0.1
        assert np.abs(answer - oracle).max() <= 1e-3 * np.ptp(oracle)


@pytest.mark.parametrize("name", MOBILENETS + RESNETS)
def test_systems_run_with_what_was_brought_in(name, cache, tmp_path):
    imports.import_file(write(name, tmp_path / "a"), name)
    picture = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)
    stride = 32 if name in RESNETS else 16
    if name.startswith("posenet"):
        detector = bodylens.create_detector(name, score_threshold=0, min_score=0)
        assert detector.pipeline.stride == stride
        people = detector.estimate_poses(picture)
        assert len(people) == 5
        assert np.isfinite(people.keypoints).all()
        options = {"output_stride": stride, "score_threshold": 0.01, "max_detections": 3}
        assert len(posenet.estimate_multiple_poses(detector, picture, **options)) == 3
        return
    net = bodylens.create_segmenter(name, score_threshold=0, min_score=0)
    assert net.pipeline.stride == stride
    assert len(net.segment_people(picture)) == 10
    options = {"segmentation_threshold": 0.4, "score_threshold": 0, "min_score": 0}
    person = bodypix.segment_person(net, picture, **options)
    parts = bodypix.segment_person_parts(net, picture, internal_resolution="full", **options)
    each = bodypix.segment_multi_person(net, picture, internal_resolution=None, **options)
    assert person.data.shape == parts.data.shape == each[0].data.shape == (120, 160)


def test_a_file_of_another_form_or_model_says_so(cache, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ConversionError, match=r"bodypix-resnet50 is made from its official model\.json"):
        imports.import_file(tmp_path / "m.onnx", "bodypix-resnet50")
    with pytest.raises(ConversionError, match="no node called"):
        imports.import_file(write("posenet-100", tmp_path / "a"), "bodypix-mobilenet-100")
    assert not (cache / "onnx").exists()
