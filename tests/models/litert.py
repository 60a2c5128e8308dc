"""LiteRT as the oracle for tflite files, also where it lacks MediaPipe's custom operator."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def run(data: bytes, images: list) -> dict[str, np.ndarray]:
    """Outputs by tensor name, NHWC, for NHWC inputs. Quantised inputs and outputs are handed over as stored."""
    interpreter = Interpreter(model_content=data, num_threads=2)
    interpreter.allocate_tensors()
    for detail, image in zip(interpreter.get_input_details(), images, strict=True):
        interpreter.set_tensor(detail["index"], image)
    interpreter.invoke()
    return {d["name"]: interpreter.get_tensor(d["index"]).copy() for d in interpreter.get_output_details()}


def load(data: bytes):
    """The file as objects that can be edited."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))


def save(model) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run_selfie(data: bytes, image: np.ndarray) -> np.ndarray:
    """The mask (1, h, w, 1): LiteRT up to the custom operator, a transposed convolution in plain numpy after it."""
    model = load(data)
    graph = model.subgraphs[0]
    tail = graph.operators[-2:]
    codes = [model.operatorCodes[op.opcodeIndex] for op in tail]
    assert codes[0].customCode == b"Convolution2DTransposeBias"
    assert codes[1].builtinCode == schema.BuiltinOperator.LOGISTIC
    x, weights, bias = tail[0].inputs

    def constant(index):
        # The weights come through a DEQUANTIZE of float16.
        source = next(op.inputs[0] for op in graph.operators if op.outputs[0] == index)
        tensor = graph.tensors[source]
        raw = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
        return np.frombuffer(raw, np.float16).astype(np.float32).reshape(tensor.shape)

    kernel, offset = constant(weights), constant(bias)
    graph.operators = graph.operators[:-2]
    graph.outputs = [x]
    model.operatorCodes[tail[0].opcodeIndex].builtinCode = schema.BuiltinOperator.ADD
    model.operatorCodes[tail[0].opcodeIndex].deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    model.operatorCodes[tail[0].opcodeIndex].customCode = None
    model.signatureDefs = []
    features = next(iter(run(save(model), [image]).values()))
    logits = transposed_convolution(features.astype(np.float64), kernel, offset, stride=2)
    return 0.5 * (1 + np.tanh(logits / 2))


def transposed_convolution(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """x (1, h, w, ci), weights (co, k, k, ci), bias (co,): each pixel adds its kernel to the output, SAME padding.

    Written as the definition says, element by element of the kernel; no padding lies before for a 2×2 kernel.
    """
    _, h, w, _ = x.shape
    out, k, _, _ = weights.shape
    assert k == stride == 2
    y = np.zeros((1, h * stride, w * stride, out)) + bias
    for i in range(k):
        for j in range(k):
            y[:, i::stride, j::stride] += x @ weights[:, i, j].T.astype(np.float64)
    return y
