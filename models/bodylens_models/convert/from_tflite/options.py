"""What the numbers in tflite options mean."""

from tflite.ActivationFunctionType import ActivationFunctionType
from tflite.Padding import Padding

from bodylens_models.convert.error import ConversionError

ACTIVATIONS = {
    ActivationFunctionType.NONE: "none",
    ActivationFunctionType.RELU: "relu",
    ActivationFunctionType.RELU6: "relu6",
    ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
    ActivationFunctionType.TANH: "tanh",
}
PADDINGS = {Padding.SAME: "same", Padding.VALID: "valid"}


def activation(number: int) -> str:
    """The name of a fused activation."""
    if number not in ACTIVATIONS:
        raise ConversionError(f"the fused activation number {number} is not known")
    return ACTIVATIONS[number]


def padding(number: int) -> str:
    """The name of a padding rule."""
    if number not in PADDINGS:
        raise ConversionError(f"the padding number {number} is not known")
    return PADDINGS[number]
