"""Private, real-time body pose and segmentation, in the browser and natively.

`create_detector(name, **options)` gives a pose detector, `create_segmenter(name, **options)` a segmenter; their
`estimate(picture, timestamp)` gives `People`. Natively these are plain calls; in the page (Pyodide) they are awaited,
and so is `People.read_mask`.
"""

import sys
from typing import TYPE_CHECKING, Any

from bodylens.frame import Frame
from bodylens.mask import Mask, StaleMask
from bodylens.people import People
from bodylens.pipeline import Infer, Inferred, Keep, Pipeline
from bodylens.record import to_record
from bodylens.region import Region

if TYPE_CHECKING:
    from bodylens.native.driver import Detector, Segmenter

__all__ = [
    "Frame",
    "Infer",
    "Inferred",
    "Keep",
    "Mask",
    "People",
    "Pipeline",
    "Region",
    "StaleMask",
    "create_detector",
    "create_segmenter",
    "frames",
    "read_picture",
    "to_record",
]

IN_PAGE = sys.platform == "emscripten"


def create_detector(model: str = "blazepose-full", **options: Any) -> "Detector":  # noqa: ANN401
    """Make a pose detector.

    Args:
        model: a model that finds poses, such as "blazepose-full" or "movenet-lightning"; or a family, "blazepose" or
            "movenet", with its type as the option `model_type`.
        options: the system's own, such as `enable_smoothing=False` or `max_poses=4`; and `mask_model`, such as
            "selfie-landscape", for a person mask beside the poses of a system that has none.

    Returns:
        A detector; in the page an awaitable of one, with the same methods, awaited.

    Raises:
        ValueError: there is no such model, or an option is out of range.
        TypeError: the system has no such option.

    """
    from bodylens.systems import make_detector

    pipeline = make_detector(model, options)
    if IN_PAGE:
        from bodylens.browser import open_detector

        return open_detector(pipeline)  # type: ignore[return-value]
    from bodylens.native.driver import Detector

    return Detector(pipeline)


def create_segmenter(model: str = "selfie-general", **options: Any) -> "Segmenter":  # noqa: ANN401
    """Make a segmenter.

    Args:
        model: a model that segments, such as "selfie-general", "selfie-landscape" or "blazepose-full".
        options: the system's own, such as `smoothing=True` or `threshold=0.6`.

    Returns:
        A segmenter; in the page an awaitable of one, with the same methods, awaited.

    Raises:
        ValueError: there is no such model, or an option is out of range.
        TypeError: the system has no such option.

    """
    from bodylens.systems import make_segmenter

    pipeline = make_segmenter(model, options)
    if IN_PAGE:
        from bodylens.browser import open_segmenter

        return open_segmenter(pipeline)  # type: ignore[return-value]
    from bodylens.native.driver import Segmenter

    return Segmenter(pipeline)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # OpenCV is loaded only by those who read files.
    if name in ("frames", "read_picture") and not IN_PAGE:
        from bodylens.native import media

        return getattr(media, name)
    raise AttributeError(f"module 'bodylens' has no attribute {name!r}")
