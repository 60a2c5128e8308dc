"""Temporal smoothing of masks: sure cells change at once, unsure ones follow what they were."""

import numpy as np
from numpy.typing import NDArray

# How uncertain a probability p is, as a polynomial in (p - 0.5)², highest power last.
UNCERTAINTY = (5.68842, -0.748699, -57.8051, 291.309, -624.717)


def blend_masks(previous: NDArray[np.float32], new: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Blend a mask with the one before it, weighted by the new one's uncertainty.

    The uncertainty alpha(p) is the square of the binary entropy of p in bits, approximated by a polynomial; the result
    is new + (previous - new) * alpha(new) * ratio.

    Args:
        previous: (h, w) float32, probabilities.
        new: (h, w) float32, probabilities.
        ratio: 0 (the new mask alone) … 1 (a wholly unsure cell keeps its previous value).

    Returns:
        (h, w) float32.

    ref: mediapipe/calculators/image/segmentation_smoothing_calculator.cc

    """
    x = np.square(new - np.float32(0.5))
    fit = np.zeros_like(x)
    for c in reversed(UNCERTAINTY):
        fit += np.float32(c)
        fit *= x
    alpha = np.float32(1) - np.minimum(fit, np.float32(1))
    blended: NDArray[np.float32] = new + (previous - new) * (alpha * np.float32(ratio))
    return blended
