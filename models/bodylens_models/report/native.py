"""What can be counted in a file and timed on this machine."""

import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import shape_inference

from bodylens_models import check
from bodylens_models.catalogue.entry import Entry

WEIGHT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


@dataclass(frozen=True)
class Numbers:
    """Counts of one ONNX file: bytes, after brotli, parameters, multiply-adds a run, nodes once loaded, median ms."""

    bytes: int
    brotli: int
    parameters: int
    macs: int
    nodes: int
    ms: float


def count(path: Path, entry: Entry) -> Numbers:
    """Count and time the converted `entry` at `path`, on one thread."""
    import brotli

    data = path.read_bytes()
    model = shape_inference.infer_shapes(onnx.load_from_string(data))
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]
    }
    weights = {t.name: int(np.prod(t.dims)) for t in model.graph.initializer if t.data_type in WEIGHT_TYPES}
    constant = {t.name for t in model.graph.initializer}
    macs, nodes = 0, Counter[str]()
    for node in model.graph.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)  # computed once, at loading
            continue
        nodes[node.op_type] += 1
        macs += _macs(node, shapes)
    return Numbers(
        len(data), len(brotli.compress(data, quality=9)), sum(weights.values()), macs, nodes.total(), _time(data, entry)
    )


def _macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    if node.op_type not in ("Conv", "ConvTranspose"):
        return 0
    group = next((a.i for a in node.attribute if a.name == "group"), 1)
    size = next((list(a.ints) for a in node.attribute if a.name == "kernel_shape"), [1, 1])
    image = shapes.get(node.output[0] if node.op_type == "Conv" else node.input[0]) or []
    if not image or 0 in image:
        return 0
    if node.op_type == "Conv":
        channels = (shapes.get(node.input[0]) or [0, 0])[1]
        return int(np.prod(image)) * channels // group * size[0] * size[1]
    out = (shapes.get(node.output[0]) or [0, 0])[1]
    return int(np.prod(image)) * out * size[0] * size[1]


def _time(data: bytes, entry: Entry) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feed = {entry.input.name: check.rings(entry.input, **entry.pattern)}
    session.run(None, feed)
    times: list[float] = []
    end = time.perf_counter() + 1.0
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 50):
        before = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - before)
    # Other work on the machine only ever slows a run: what counts is how long the undisturbed ones take.
    fastest = sorted(times)[: -(-len(times) // 3)]
    return statistics.median(fastest) * 1000
