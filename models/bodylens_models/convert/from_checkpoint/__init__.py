"""PoseNet checkpoints, one raw file a variable, to ONNX."""

from bodylens_models.convert.from_checkpoint.convert import convert

__all__ = ["convert"]
