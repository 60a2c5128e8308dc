"""The browser driver, and the only file that knows that it runs in a page.

The Python worker (`web/python/worker.js`) owns the channel to the engine worker, which owns every pixel. Requests cross
as JSON, tensors and people as one buffer each.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import bodylens_engine  # type: ignore[import-not-found]  # registered by web/python/worker.js
import numpy as np
from numpy.typing import NDArray
from pyodide.ffi import JsException, to_js

from bodylens.frame import Frame
from bodylens.mask import Mask, StaleMask
from bodylens.options import number
from bodylens.people import People
from bodylens.pipeline import Estimation, HasMaps, Infer, Inferred, Pipeline
from bodylens.pixels import MAX_PIXELS, as_rgb
from bodylens.record import pack
from bodylens.region import Region
from bodylens.systems import make_pipeline, option_names, segments
from bodylens.topology import side_of


def _place(r: Region) -> list[float]:
    return [r.x, r.y, r.width, r.height, r.rotation]


def _asked(requests: Sequence[Infer]) -> str:
    """Write requests as the engine reads them."""
    return json.dumps(
        [
            {
                "model": r.model,
                "region": _place(r.region),
                "fetch": r.fetch,
                "size": r.size,
                "keep": [
                    {
                        "output": k.output,
                        "meaning": k.meaning,
                        "activation": k.activation,
                        "late": k.late,
                        "threshold": k.threshold,
                        "smoothing": k.smoothing,
                        "stream": k.stream,
                        "refineSteps": k.refine_steps,
                    }
                    for k in r.keep
                ],
            }
            for r in requests
        ]
    )


def _answered(requests: Sequence[Infer], results: Any) -> list[Inferred]:  # noqa: ANN401
    """Read the engine's results: per request its arrays with their shapes, and 9 numbers a mask."""
    inferred = []
    for request, result in zip(requests, results, strict=True):
        outputs = {}
        for name, array, shape in zip(request.fetch, result.arrays, result.shapes, strict=True):
            outputs[name] = np.frombuffer(array.to_py(), np.float32).reshape(shape.to_py())
        numbers = np.frombuffer(result.masks.to_py(), np.float64).reshape(len(request.keep), 9).tolist()
        masks = [
            Mask(
                int(handle), int(width), int(height), request.region, keep.meaning, keep.threshold,
                int(count), score, (int(left), int(top), int(right), int(bottom)),
            )
            for keep, (handle, width, height, count, score, left, top, right, bottom) in zip(
                request.keep, numbers, strict=True
            )
        ]  # fmt: skip
        inferred.append(Inferred(outputs, tuple(masks)))
    return inferred


class Live:
    """Runs a pipeline over the page's frames: one call to begin a frame, one for each round of results.

    Each call answers by `reply(text, array)`: more requests (text, no array), or the packed people with the requests
    that the next frame will begin with (text, or "" where they are not known).
    """

    def __init__(self, reply: Callable[[str, Any], None]) -> None:
        self.reply = reply
        self.pipeline: Pipeline | None = None
        self.capsules: Callable[[People], NDArray[np.float32]] | None = None
        self.frame = Frame(0, 0.0, 0, 0)
        self.estimation: Estimation | None = None
        self.requests: Sequence[Infer] = ()
        self.ahead: Sequence[Infer] | None = None
        self.ahead_text = ""

    def open(self, model: str, options: str) -> str:
        """Make the pipeline for the page's controls.

        Args:
            model: its name.
            options: JSON of the system's options. Some of the page's own are put into each system's words: `smoothing`,
                of whatever the system smooths; `masks`, `parts` and `people`, whether masks, parts of bodies and people
                one by one are drawn; `everyone`, whether masks must show people that the system does not find. Where
                the system tells no parts, they follow from its skeletons.

        Returns:
            JSON of the keypoints' names and sides, of the pairs that bones join, whether it finds masks of its own, and
            whether the masks are those of the found people alone.

        """
        wanted = json.loads(options)
        smoothing, masks, parts, people, everyone = (
            wanted.pop(name, None) for name in ("smoothing", "masks", "parts", "people", "everyone")
        )
        known = option_names(model)
        words = {
            **dict.fromkeys(("smoothing", "enable_smoothing", "smooth_segmentation"), smoothing),
            "enable_segmentation": masks,
            "segment_body_parts": parts,
            "multi_segmentation": people,
        }
        for name, value in words.items():
            if value is not None and name in known:
                wanted.setdefault(name, value)
        alone = "enable_segmentation" in known
        if segments(model) and not (alone and everyone):
            wanted.pop("mask_model", None)  # it has masks of its own
        self.pipeline = make_pipeline(model, wanted)
        if isinstance(self.pipeline, HasMaps):
            self.pipeline.on_device = True
        limbs = (parts or people) and not isinstance(self.pipeline, HasMaps) and self.pipeline.topology is not None
        self.capsules = import_module("bodylens.limb_parts").capsules if limbs else None
        self.ahead = None
        topology = self.pipeline.topology
        told = {"masks": segments(model), "alone": alone and "mask_model" not in wanted}
        if topology is None:
            return json.dumps({"names": [], "sides": [], "edges": [], **told})
        sides = [side_of(name) for name in topology.names]
        return json.dumps({"names": topology.names, "sides": sides, "edges": topology.edges, **told})

    def begin(
        self,
        index: int,
        time: float,
        width: int,
        height: int,
        ran: str = "",
        results: Any = None,  # noqa: ANN401
    ) -> None:
        """Start a frame; `results` answer the requests `ran`, as announced, where the engine ran them already."""
        if self.pipeline is None:
            raise RuntimeError("a frame came before a model was opened")
        self.frame = Frame(index, time, width, height)
        self.estimation = self.pipeline.estimate(self.frame)
        self.requests = next(self.estimation)
        if ran and ran == self.ahead_text and self.ahead is not None and tuple(self.requests) == tuple(self.ahead):
            self.resume(results)
        else:
            self.reply(_asked(self.requests), None)

    def resume(self, results: Any) -> None:  # noqa: ANN401
        """Go on with a frame's results."""
        if self.estimation is None or self.pipeline is None:
            raise RuntimeError("results came for a frame that has not begun")
        try:
            self.requests = self.estimation.send(_answered(self.requests, results))
        except StopIteration as stop:
            self.estimation = None
            ahead = self.pipeline.ahead(self.frame)
            if ahead is None or self.ahead is None or tuple(ahead) != tuple(self.ahead):
                self.ahead_text = "" if ahead is None else _asked(ahead)
            self.ahead = ahead
            people: People = stop.value
            capsules = None if self.capsules is None else self.capsules(people)
            self.reply(self.ahead_text, to_js(pack(people, capsules)))
        else:
            self.reply(_asked(self.requests), None)


async def _read(mask: Mask, size: tuple[int, int], frame: Frame) -> NDArray[np.float32]:
    values = await bodylens_engine.read(mask.handle, to_js(_place(mask.region)), frame.width, frame.height, *size)
    if values is None:
        raise StaleMask(f"mask {mask.handle} is gone: only the last few are kept; read a mask in its own frame")
    return np.frombuffer(values.to_py(), np.float32).reshape(size[1], size[0])


class Estimator:
    """Runs a pipeline in the page: as natively, but awaited."""

    # Whether networks with an open input size run here.
    any_size = False

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.index = 0

    async def estimate(self, image: NDArray[np.uint8] | None = None, timestamp: float | None = None) -> People:
        """Find the people in a picture.

        Args:
            image: (h, w, 3) uint8 RGB, (h, w, 4) RGBA, which is composited over white, or (h, w) or (h, w, 1) grey;
                None takes the newest frame of the page's source.
            timestamp: when it was taken, seconds; None counts 30 pictures a second, or takes the source's own time.

        Raises:
            ValueError: not a picture, one of more than 100 megapixels, or not a time.
            RuntimeError: the page has no source yet, or the network failed; the message says which.
        """
        if timestamp is not None:
            timestamp = number("timestamp", timestamp)
        if image is None:
            taken = await _called(bodylens_engine.current())
        else:
            pixels = _as_rgba(image)
            taken = await _called(bodylens_engine.picture(to_js(pixels.ravel()), pixels.shape[1], pixels.shape[0]))
        try:
            time = timestamp if timestamp is not None else self.index / 30 if image is not None else taken.time
            frame = Frame(self.index, time, taken.width, taken.height)
            estimation = self.pipeline.estimate(frame)
            requests = next(estimation)
            while True:
                results = await _called(bodylens_engine.infer(taken.id, _asked(requests)))
                requests = estimation.send(_answered(requests, results))
        except StopIteration as stop:
            self.index += 1
            people: People = stop.value
        finally:
            bodylens_engine.release(taken.id)
        return replace(people, reader=lambda mask, size: _read(mask, size, frame))

    async def estimate_by(self, pipeline: Pipeline, image: NDArray[np.uint8] | None = None) -> People:
        """Run another pipeline on one picture, with the networks that are loaded here; nothing is learned from it."""
        return await type(self)(pipeline).estimate(image)

    def reset(self) -> None:
        """Begin a new sequence: forget what earlier pictures taught."""
        self.pipeline.reset()
        self.index = 0


class Segmenter(Estimator):
    """What `await bodylens.create_segmenter(…)` gives."""

    segment_people = Estimator.estimate


class Detector(Estimator):
    """What `await bodylens.create_detector(…)` gives."""

    estimate_poses = Estimator.estimate


async def open_segmenter(pipeline: Pipeline) -> Segmenter:
    """Load a pipeline's models into the engine.

    Raises:
        RuntimeError: a model cannot be had; the message says why and what to do.
    """
    await _called(bodylens_engine.load(to_js(list(pipeline.models))))
    return Segmenter(pipeline)


async def open_detector(pipeline: Pipeline) -> Detector:
    """Load a pipeline's models into the engine, for a detector; raises as `open_segmenter` does."""
    await _called(bodylens_engine.load(to_js(list(pipeline.models))))
    return Detector(pipeline)


async def _called(promise: Any) -> Any:  # noqa: ANN401
    try:
        return await promise
    except JsException as error:
        raise RuntimeError(str(error).removeprefix("Error: ")) from None


def _as_rgba(image: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return an image as (h, w, 4) uint8, opaque; raises as `as_rgb` does, and for more pixels than `MAX_PIXELS`."""
    height, width = (*np.shape(image), 0, 0)[:2]
    if height * width > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise ValueError(f"a picture has at most {limit} megapixels here, not {width} x {height}: scale it down first")
    pixels = as_rgb(image)
    return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=2)
