"""The browser driver, and the only file that knows that it runs in a page.

The Python worker (`web/python/worker.js`) owns the channel to the engine worker, which owns every pixel. Requests cross
as JSON, tensors and people as one buffer each.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, Self
from weakref import finalize

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
        self.next: tuple[Pipeline, Callable[[People], NDArray[np.float32]] | None, dict[str, bool]] | None = None

    def open(self, model: str, options: str) -> str:
        """Make the pipeline for the page's controls, and run it from now on; see `prepare` and `adopt`."""
        self.prepare(model, options)
        return self.adopt()

    def prepare(self, model: str, options: str) -> str:
        """Make the pipeline for the page's controls, beside the one that runs.

        Args:
            model: its name.
            options: JSON of the system's options. Some of the page's own are put into each system's words: `smoothing`,
                of whatever the system smooths; `masks`, `parts` and `people`, whether masks, parts of bodies and people
                one by one are drawn; `everyone`, whether masks must show people that the system does not find. Where
                the system tells no parts, they follow from its skeletons.

        Returns:
            JSON of the networks that it needs for frames like the last one.

        Raises:
            ValueError: there is no such model, or an option is out of range.
            TypeError: the system has no such option.

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
        pipeline = make_pipeline(model, wanted)
        if isinstance(pipeline, HasMaps):
            pipeline.on_device = True
        limbs = (parts or people) and not isinstance(pipeline, HasMaps) and pipeline.topology is not None
        told = {"masks": segments(model), "alone": alone and "mask_model" not in wanted}
        self.next = pipeline, import_module("bodylens.limb_parts").capsules if limbs else None, told
        frame = self.frame if self.frame.width else Frame(0, 0.0, 640, 480)
        first = [request.model for request in pipeline.ahead(frame) or ()]
        # Of a network's forms for other frames none is needed now.
        begun = {name.partition("+")[0] for name in first}
        return json.dumps([*first, *(name for name in pipeline.models if name.partition("+")[0] not in begun)])

    def adopt(self) -> str:
        """Run the prepared pipeline from the next frame on; a frame that has begun is given up.

        Returns:
            JSON of the keypoints' names and sides, of the pairs that bones join, whether it finds masks of its own, and
            whether the masks are those of the found people alone.

        Raises:
            RuntimeError: none was prepared.

        """
        if self.next is None:
            raise RuntimeError("no model was prepared")
        self.pipeline, self.capsules, told = self.next
        self.next = self.estimation = self.ahead = None
        topology = self.pipeline.topology
        names = () if topology is None else topology.names
        edges = () if topology is None else topology.edges
        sides = [side_of(name) for name in names]
        return json.dumps({"names": names, "sides": sides, "edges": edges, **told})

    def begin(
        self,
        index: int,
        time: float,
        width: int,
        height: int,
        still: bool = False,
        ran: str = "",
        results: Any = None,  # noqa: ANN401
    ) -> None:
        """Start a frame; `results` answer the requests `ran`, as announced, where the engine ran them already."""
        if self.pipeline is None:
            raise RuntimeError("a frame came before a model was opened")
        self.frame = Frame(index, time, width, height, still)
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
    """Runs a pipeline in the page: as natively, but awaited.

    `close()`, the end of a `with` or an `async with`, and garbage collection release its networks.

    Args:
        pipeline: what to run.
        number: by which the engine knows it: it holds the networks and the smoothed masks.

    """

    # Whether networks with an open input size run here.
    any_size = False

    def __init__(self, pipeline: Pipeline, number: int) -> None:
        self.pipeline = pipeline
        self.index = 0
        self._number = number
        self._close = finalize(self, bodylens_engine.close, number)
        self._close.atexit = False

    async def estimate(
        self, image: NDArray[np.uint8] | None = None, timestamp: float | None = None, *, still: bool = False
    ) -> People:
        """Find the people in a picture.

        Args:
            image: (h, w, 3) uint8 RGB, (h, w, 4) RGBA, which is composited over white, or (h, w) or (h, w, 1) grey;
                None takes the newest frame of the page's source.
            timestamp: when it was taken, seconds; None counts 30 pictures a second, or takes the source's own time.
            still: whether it is an image on its own, not one of a sequence: see `static_image_mode` of `BlazePose`.

        Raises:
            ValueError: not a picture, one of more than 100 megapixels, or not a time.
            RuntimeError: the page has no source, is paused or its source was closed, the network failed, or this
                estimator is closed; the message says which.

        """
        people = await self._run(self.pipeline, self.index, image, timestamp, still=still)
        self.index += 1
        return people

    async def estimate_by(self, pipeline: Pipeline, image: NDArray[np.uint8] | None = None) -> People:
        """Run another pipeline on one picture, with the networks that are loaded here; nothing is learned from it."""
        return await self._run(pipeline, 0, image, apart=True)

    async def _run(
        self,
        pipeline: Pipeline,
        index: int,
        image: NDArray[np.uint8] | None,
        timestamp: float | None = None,
        *,
        still: bool = False,
        apart: bool = False,
    ) -> People:
        if not self._close.alive:
            raise RuntimeError("this estimator is closed: create another one")
        if timestamp is not None:
            timestamp = number("timestamp", timestamp)
        if image is None:
            taken = await _called(bodylens_engine.current())
        else:
            pixels = _as_rgba(image)
            taken = await _called(bodylens_engine.picture(to_js(pixels.ravel()), pixels.shape[1], pixels.shape[0]))
        try:
            time = timestamp if timestamp is not None else index / 30 if image is not None else taken.time
            frame = Frame(index, time, taken.width, taken.height, still)
            estimation = pipeline.estimate(frame)
            requests = next(estimation)
            while True:
                results = await _called(bodylens_engine.infer(self._number, taken.id, _asked(requests), apart))
                requests = estimation.send(_answered(requests, results))
        except StopIteration as stop:
            people: People = stop.value
        finally:
            bodylens_engine.release(taken.id)
        return replace(people, reader=lambda mask, size: _read(mask, size, frame))

    def reset(self) -> None:
        """Begin a new sequence: forget what earlier pictures taught."""
        self.pipeline.reset()
        bodylens_engine.reset(self._number)
        self.index = 0

    def close(self) -> None:
        """Release the networks that no other estimator and not the page itself uses; twice is once."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


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
    return Segmenter(pipeline, await _called(bodylens_engine.open(to_js(list(pipeline.models)))))


async def open_detector(pipeline: Pipeline) -> Detector:
    """Load a pipeline's models into the engine, for a detector; raises as `open_segmenter` does."""
    return Detector(pipeline, await _called(bodylens_engine.open(to_js(list(pipeline.models)))))


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
