"""tfjs graph models to ONNX: `file` reads model.json and its shards, the others teach one family of operators each."""

from bodylens_models.convert.from_tfjs.convert import convert

__all__ = ["convert"]
