"""The operator layer: each function takes tensors in their source's order (NHWC) and adds what ONNX needs."""
