"""tflite files to ONNX: `file` reads the flatbuffer, the other modules teach one family of operators each."""

from bodylens_models.convert.from_tflite.convert import convert

__all__ = ["convert"]
