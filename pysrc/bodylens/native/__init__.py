"""The native driver: onnxruntime and OpenCV under CPython, for scripts, batches and tests."""
