"""Private, real-time body pose and segmentation, in the browser and natively.

`create_segmenter(name, **options)` gives a segmenter; its `estimate(picture, timestamp)` gives `People`. Natively both
are plain calls; in the page (Pyodide) both are awaited, and so is `People.read_mask`.
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
    from bodylens.native.driver import Segmenter

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
    "create_segmenter",
    "frames",
    "read_picture",
    "to_record",
]

IN_PAGE = sys.platform == "emscripten"


def create_segmenter(model: str = "selfie-general", **options: Any) -> "Segmenter":  # noqa: ANN401
    """Make a segmenter.

    Args:
        model: a model that segments, such as "selfie-general" or "selfie-landscape".
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
