"""ONNX files that others made, rebuilt on the operator layer."""

from bodylens_models.convert.from_onnx.convert import convert, load

__all__ = ["convert", "load"]
