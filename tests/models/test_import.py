"""A person's own model comes in; a damaged or hostile one gives one clear sentence and leaves nothing behind."""

import argparse
import json
import struct
import subprocess
import sys
from random import Random

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

from bodylens_models import catalogue, command, imports, sources, store, trial
from bodylens_models.convert import ConversionError, from_checkpoint, from_tfjs, from_tflite
from bodylens_models.convert.from_onnx import load
from bodylens_models.convert.serialize import serialize


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
        node(2, "op", 7),
        node(2, "op", ["Conv2D"]),
        node(2, "name", None),
        node(2, "input", [7, "w"]),
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


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("Conv2d_0/weights", [3, 3, 12], "not one of rank 4"),
        ("Conv2d_0/weights", [3, 3, 12, 1], "do not fit"),
        ("Conv2d_0/biases", [2, 2], "not one of rank 1"),
        ("Conv2d_1_depthwise/depthwise_weights", [3, 12], "not one of rank 4"),
        ("Conv2d_1_depthwise/depthwise_weights", [3, 3, 2, 2], "do not fit"),
        ("heatmap_2/weights", [4, 17], "not one of rank 4"),
    ],
)
def test_a_checkpoint_of_odd_shapes_is_refused(name, shape, words):
    shapes = {"Conv2d_0/weights": [3, 3, 3, 4], "Conv2d_0/biases": [4]}
    for number in range(1, 14):
        shapes |= {
            f"Conv2d_{number}_depthwise/depthwise_weights": [3, 3, 4, 1],
            f"Conv2d_{number}_depthwise/biases": [4],
            f"Conv2d_{number}_pointwise/weights": [1, 1, 4, 4],
            f"Conv2d_{number}_pointwise/biases": [4],
        }
    shapes |= {"heatmap_2/weights": [1, 1, 4, 17], "heatmap_2/biases": [17]}

    def convert():
        manifest = {f"MobilenetV1/{key}": {"shape": value, "filename": key} for key, value in shapes.items()}
        files = {key: np.zeros(value, "<f4").tobytes() for key, value in shapes.items()}
        return from_checkpoint.convert(
            {"manifest.json": json.dumps(manifest).encode(), **files}, {"heat": "heatmap_2"}, size=(33, 33)
        )

    assert convert().outputs[0].stored_shape == (1, 17, 3, 3)
    shapes[name] = shape
    with pytest.raises(ConversionError, match=words):
        convert()


def onnx_network(node, *, shape=(1, 3, 8, 8), out=None, kind=TensorProto.FLOAT, constants=()):
    """Write an ONNX file of one node from x to y."""
    given = [helper.make_tensor_value_info("x", kind, shape)]
    ends = [helper.make_tensor_value_info("y", kind, out or shape)]
    graph = helper.make_graph([node], "g", given, ends, initializer=list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7).SerializeToString()


INFINITE = numpy_helper.from_array(np.array([np.inf], np.float32), "t")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (onnx_network(helper.make_node("Add", ["x", "t"], ["y"]), constants=[INFINITE]), "values that are not finite"),
        (onnx_network(helper.make_node("Log", ["x"], ["y"])), "values that are not finite"),
        (onnx_network(helper.make_node("Relu", ["x"], ["y"]), shape=(1, 8, 8)), "one image of float32 is expected"),
        (onnx_network(helper.make_node("Relu", ["x"], ["y"]), shape=(1, 4, 8, 8)), "an image is"),
        (onnx_network(helper.make_node("Abs", ["x"], ["y"]), kind=TensorProto.INT32), "one image of float32"),
        (onnx_network(helper.make_node("Flatten", ["x"], ["y"]), out=("n", 3)), "the file says"),
        (onnx_network(helper.make_node("Relu", ["q"], ["y"])), "not a model that onnxruntime can run"),
    ],
    ids=["inf", "log of 0", "rank 3", "four channels", "integers", "another shape", "no such tensor"],
)
def test_what_runs_wrong_is_not_kept(model, words, tmp_path, cache):
    (tmp_path / "wrong.onnx").write_bytes(model)
    with pytest.raises(ConversionError, match=words) as caught:
        imports.import_file(tmp_path / "wrong.onnx")
    assert str(caught.value).startswith("wrong.onnx: ")
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_a_model_that_crashes_its_runtime_ends_only_its_trial(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(program))
    with pytest.raises(ConversionError, match="makes onnxruntime crash"):
        trial.try_out(b"")


def mutated(data, random):
    """Change some bytes, a block, or what follows from a place on."""
    changed = bytearray(data)
    at = random.randrange(len(changed))
    length = random.choice((1, 4, 64))
    kind = random.randrange(4)
    if kind == 0:
        changed[at : at + length] = random.randbytes(length)
    elif kind == 1:
        changed[at : at + length] = random.choice((b"\0", b"\xff")) * length
    elif kind == 2:
        changed[at:at] = random.randbytes(length)
    else:
        del changed[at:]
    return bytes(changed)


def test_a_damaged_file_is_refused_or_runs(graph_model, tmp_path, cache):
    """In one process of its own, which the runtime may crash; each file is small, so that most changes matter."""
    content, weights = graph_model
    content = json.loads(json.dumps(content))
    content["modelTopology"]["node"][0]["attr"]["shape"]["shape"]["dim"][1:3] = [{"size": "9"}] * 2
    model = json.dumps(content).encode()
    converted = serialize(from_tfjs.convert(model, {"w.bin": weights}, {}))
    files = {"a.onnx": converted, "a.tflite": small_tflite(), "model.json": model, "w.bin": weights}
    random = Random(20)
    cases = tmp_path / "cases"
    for number in range(160):
        folder = cases / str(number)
        folder.mkdir(parents=True)
        name = ("a.onnx", "a.tflite", "model.json", "w.bin")[number % 4]
        others = files if name in ("model.json", "w.bin") else {}
        for other in ("model.json", "w.bin"):
            if other in others:
                (folder / other).write_bytes(files[other])
        (folder / name).write_bytes(mutated(files[name], random))
    code = (
        "import sys; from pathlib import Path\n"
        "from bodylens_models import imports, trial\n"
        "from bodylens_models.convert.error import ConversionError\n"
        "def here(model):\n"
        "    path = Path(sys.argv[1]) / 'now.onnx'; path.write_bytes(model)\n"
        "    said = trial.examine(path)\n"
        "    if 'error' in said: raise ConversionError(said['error'])\n"
        "    return said['inputs'], said['outputs']\n"
        "imports.try_out = here\n"
        "for folder in Path(sys.argv[1]).iterdir():\n"
        "    if not folder.is_dir(): continue\n"
        "    path = next(p for p in folder.iterdir() if p.name != 'w.bin')\n"
        "    try: imports.import_file(path, 'mutant'); print('imported', flush=True)\n"
        "    except ConversionError as error:\n"
        "        assert '\\n' not in str(error), error\n"
        "        print('refused', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cases)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.split()
    assert len(said) == 160
    assert said.count("refused") > 80, "most changes of such small files are damage"


def small_tflite():
    """Write a tflite file of one operator."""
    code, operator, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC
    operator.inputs, operator.outputs = [0], [1]
    graph.tensors = []
    for name in (b"x", b"y"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 8, 8, 3], schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    return litert.save(model)


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
