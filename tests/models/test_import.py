"""A person's own model comes in; a damaged or hostile one gives one clear sentence and leaves nothing behind."""

import argparse
import json
import struct

import flatbuffers
import litert
import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bodylens_models import catalogue, command, imports, sources, store
from bodylens_models.convert import ConversionError, from_tfjs, from_tflite
from bodylens_models.convert.from_onnx import load


@pytest.fixture(scope="module")
def selfie():
    entry = catalogue.entry("selfie-general")
    return sources.obtain(store.cache_folder(), entry)[entry.source.files[0].name].read_bytes()


@pytest.fixture(scope="module")
def graph_model():
    """A graph model of a few operators, written by hand in the published format."""
    weights = np.arange(3 * 3 * 3 * 4, dtype=np.float32).reshape(3, 3, 3, 4) / 100
    content = {
        "format": "graph-model",
        "modelTopology": {
            "node": [
                {
                    "name": "x",
                    "op": "Placeholder",
                    "attr": {"shape": {"shape": {"dim": [{"size": str(n)} for n in (1, -1, -1, 3)]}}},
                },
                {"name": "w", "op": "Const", "attr": {}},
                {
                    "name": "y",
                    "op": "Conv2D",
                    "input": ["x", "w"],
                    "attr": {
                        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
                        "padding": {"s": "U0FNRQ=="},
                    },
                },
            ]
        },
        "signature": {"outputs": {"y": {"name": "y:0"}}},
        "weightsManifest": [
            {"paths": ["w.bin"], "weights": [{"name": "w", "shape": [3, 3, 3, 4], "dtype": "float32"}]}
        ],
    }
    return content, weights.tobytes()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run_command(*words):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_a_tflite_file_comes_in_and_runs(selfie, tmp_path, cache, capsys):
    (tmp_path / "My Model.tflite").write_bytes(selfie)
    assert run_command("import", str(tmp_path / "My Model.tflite")) == 0
    assert "my-model" in capsys.readouterr().out
    record = store.imported()["my-model"]
    assert record["inputs"] == {"image": [1, 3, 256, 256]}
    session = onnxruntime.InferenceSession(record["path"])
    assert session.run(None, {"image": np.zeros((1, 3, 256, 256), np.float32)})[0].shape == (1, 1, 256, 256)


def test_a_graph_model_comes_in_at_the_size_that_is_asked_for(graph_model, tmp_path, cache):
    content, weights = graph_model
    folder = tmp_path / "little"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(content))
    (folder / "w.bin").write_bytes(weights)
    assert run_command("import", str(folder / "model.json")) == 1
    assert run_command("import", str(folder / "model.json"), "--size", "33x65") == 0
    assert store.imported()["little"]["outputs"] == {"y": [1, 4, 17, 33]}


def test_an_onnx_file_comes_in_as_it_is(tmp_path, cache):
    node = helper.make_node("Relu", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 4, 4]) for n in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 12)], ir_version=7
    )
    (tmp_path / "relu.onnx").write_bytes(model.SerializeToString())
    found = imports.import_file(tmp_path / "relu.onnx")
    assert found.path.read_bytes() == model.SerializeToString()


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "x" * 80, "ünï"])
def test_a_name_stays_in_the_cache(name, selfie, tmp_path, cache):
    (tmp_path / "m.tflite").write_bytes(selfie)
    if name == "":
        assert imports.import_file(tmp_path / "m.tflite", name).name == "m"
        return
    with pytest.raises(ConversionError, match="is no name for a model"):
        imports.import_file(tmp_path / "m.tflite", name)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.tflite", b"", "not a tflite file"),
        ("a.tflite", b"\x1c\0\0\0TFL3" + b"\xff" * 64, "damaged"),
        ("a.json", b"[1", "not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b'{"format": "layers-model"}', "layers models are another format"),
        ("a.json", b'{"weightsManifest": [{"paths": ["../../etc/passwd"]}]}', "outside its folder"),
        ("a.json", b'{"weightsManifest": [{"paths": ["/etc/passwd"]}]}', "outside its folder"),
        ("a.json", b'{"weightsManifest": [{"paths": [7]}]}', "outside its folder"),
        ("a.json", b'{"modelTopology": {"node": []}, "weightsManifest": []}', "one input is expected"),
        ("a.onnx", b"garbage", "not an ONNX file"),
        ("a.onnx", b"", "not an ONNX file"),
        ("a.txt", b"hello", "an .onnx, a .tflite or a tfjs model.json"),
    ],
)
def test_what_is_no_model_gives_one_sentence(file, content, words, tmp_path, cache, capsys):
    (tmp_path / file).write_bytes(content)
    assert run_command("import", str(tmp_path / file)) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not cache.exists()


def test_a_file_that_is_not_there_says_so(tmp_path, cache, capsys):
    assert run_command("import", str(tmp_path / "none.onnx")) == 1
    assert "cannot be read" in capsys.readouterr().err


def tampered(selfie, change):
    model = litert.load(selfie)
    change(model, model.subgraphs[0])
    return litert.save(model)


def set_shape(index, shape):
    def change(model, graph):
        graph.tensors[index].shape = shape

    return change


def drop_options(model, graph):
    graph.operators[2].builtinOptions = None
    graph.operators[2].builtinOptionsType = schema.BuiltinOptions.NONE


def stray_input(model, graph):
    graph.operators[2].inputs = [0, 5000, 5001]


def no_custom_options(model, graph):
    graph.operators[-2].customOptions = b"\1"


def huge_stride(model, graph):
    graph.operators[-2].customOptions = struct.pack("<3i", 1, 1 << 30, 1 << 30)


@pytest.mark.parametrize(
    "change",
    [
        set_shape(0, [1, 100_000, 100_000, 3]),
        set_shape(0, [1, -256, 256, 3]),
        set_shape(0, [1, 256, 256, 4]),
        set_shape(3, [1, 2, 2, 2]),
        set_shape(0, [1] * 40),
        drop_options,
        stray_input,
        no_custom_options,
        huge_stride,
    ],
)
def test_a_tflite_file_that_lies_is_refused(selfie, change):
    with pytest.raises(ConversionError):
        from_tflite.convert(tampered(selfie, change), {})


@pytest.mark.parametrize("length", [8, 20, 100, 1000, 50_000, 200_000, -4])
def test_a_tflite_file_cut_short_is_refused(selfie, length):
    with pytest.raises(ConversionError):
        from_tflite.convert(selfie[:length], {})


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 60_000), st.binary(min_size=1, max_size=8))
def test_bytes_changed_anywhere_give_an_error_or_another_model_but_never_another_exception(selfie, at, noise):
    # Tables lie at the end of the file, weights before them: most changes hit the tables.
    start = len(selfie) - 1 - at
    data = bytearray(selfie)
    data[start : start + len(noise)] = noise
    try:
        from_tflite.convert(bytes(data), {})
    except ConversionError as error:
        assert "\n" not in str(error)


def edited(graph_model, change):
    content = json.loads(json.dumps(graph_model[0]))
    change(content)
    return json.dumps(content).encode()


def weight(key, value):
    def change(content):
        content["weightsManifest"][0]["weights"][0][key] = value

    return change


def node(number, key, value):
    def change(content):
        content["modelTopology"]["node"][number][key] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        weight("shape", [100_000, 100_000, 10]),
        weight("shape", [3, 3, -3, 4]),
        weight("shape", [3, 3, 3, 3]),
        weight("shape", "many"),
        weight("dtype", "complex64"),
        weight("quantization", {"dtype": "uint4"}),
        node(2, "input", ["y", "w"]),
        node(2, "input", ["nobody", "w"]),
        node(2, "input", ["x"]),
        node(2, "input", ["x:7", "w"]),
        node(2, "op", "Exec"),
        node(2, "attr", {"padding": {"s": "?"}}),
        node(2, "attr", {"padding": {"s": "U0FNRQ=="}, "strides": {"list": {"i": ["1", "0", "0", "1"]}}}),
        node(0, "attr", {}),
        node(0, "name", "w"),
        lambda content: content.pop("weightsManifest"),
        lambda content: content["modelTopology"].pop("node"),
    ],
)
def test_a_graph_model_that_lies_is_refused(graph_model, change):
    with pytest.raises(ConversionError):
        from_tfjs.convert(edited(graph_model, change), {"w.bin": graph_model[1]}, {"y": "y"}, size=(33, 33))


@pytest.mark.parametrize("weights", [b"", b"\0" * 431, b"\0" * 433])
def test_weight_files_of_another_length_are_refused(graph_model, weights):
    with pytest.raises(ConversionError):
        from_tfjs.convert(edited(graph_model, lambda content: None), {"w.bin": weights}, {"y": "y"}, size=(33, 33))


def onnx_file(tensor):
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy"]
    return helper.make_model(
        helper.make_graph([helper.make_node("Add", ["x", "t"], ["y"])], "g", ends[:1], ends[1:], initializer=[tensor])
    ).SerializeToString()


def test_an_onnx_file_may_not_point_to_files_beside_it():
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    with pytest.raises(ConversionError, match="in another file"):
        load(onnx_file(tensor))


def test_an_onnx_file_may_not_claim_a_hundred_gigabytes():
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "t")
    tensor.dims[:] = [25_000, 1_000_000]
    with pytest.raises(ConversionError, match="not one that a pose or mask network has"):
        load(onnx_file(tensor))


def test_a_file_of_many_subgraphs_is_refused():
    builder = flatbuffers.Builder(64)
    model = schema.ModelT()
    model.version, model.subgraphs = 3, [schema.SubGraphT(), schema.SubGraphT()]
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ConversionError, match="one subgraph"):
        from_tflite.convert(bytes(builder.Output()), {})
