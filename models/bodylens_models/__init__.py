"""The catalogue of models: where they come from, what they mean, and their conversion to ONNX."""
