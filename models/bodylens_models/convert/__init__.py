"""tflite files, tfjs graph models and PoseNet checkpoints to ONNX: one operator layer, one reader each."""

from bodylens_models.convert.error import ConversionError

__all__ = ["ConversionError"]
