"""Runs pipelines with onnxruntime on numpy pictures."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bodylens.frame import Frame
from bodylens.mask import Mask, StaleMask
from bodylens.native.crop import crop, lay
from bodylens.options import number
from bodylens.people import People
from bodylens.personlab import sigmoid
from bodylens.pipeline import Infer, Inferred, Keep, Pipeline, finish
from bodylens.pixels import as_rgb
from bodylens.region import Region
from bodylens.smoothing import blend_masks
from bodylens_models import catalogue, store

# A logit so high that its probability is 1.
SURE = np.float32(40)

# How many masks stay readable: a few frames' worth, as in the page.
RING = 16


@dataclass(frozen=True, slots=True)
class Model:
    """A network that is ready to run."""

    session: onnxruntime.InferenceSession
    width: int
    height: int
    low: float
    high: float
    border: str
    sampler: str
    input: str
    outputs: dict[str, str]

    @classmethod
    def load(cls, name: str, threads: int, spin: bool = True) -> "Model":
        """Open a catalogue model; it is fetched and converted first where that has not been done.

        Args:
            name: of the model, with its variant.
            threads: of onnxruntime; 0 lets it choose.
            spin: let its threads wait actively for the next operator.

        Raises:
            bodylens_models.store.ModelUnavailable: it cannot be had.

        """
        plain, _, variant = name.partition("+")
        entry = catalogue.entry(plain, variant or None)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if not spin:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            store.ensure(plain, variant or None), options, providers=["CPUExecutionProvider"]
        )
        return cls(
            session,
            entry.input.width,
            entry.input.height,
            entry.input.low,
            entry.input.high,
            entry.input.border,
            entry.input.sampler,
            session.get_inputs()[0].name,
            {key: output.name for key, output in entry.outputs.items()},
        )

    def run(
        self, image: NDArray[np.uint8], region: Region, outputs: Sequence[str], size: tuple[int, int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Crop, run, and give the outputs asked for."""
        width, height = size or (self.width, self.height)
        pixels = crop(image, region, width, height, self.low, self.high, self.border, self.sampler)
        return self.session.run([self.outputs[key] for key in outputs], {self.input: pixels})  # type: ignore[no-any-return]


# The last smoothed mask of each model's streams, and where it lies.
Streams = dict[tuple[str, int], tuple[NDArray[np.float32], Region]]


class Masks:
    """The last masks, which stay readable: people refer to these alone, so that they hold no networks."""

    def __init__(self) -> None:
        self.made = 0
        self.ring: OrderedDict[int, tuple[NDArray[np.float32], Frame, bool]] = OrderedDict()

    def add(self, pixels: NDArray[np.float32], frame: Frame, *, late: bool) -> int:
        """Keep a mask, of logits where it is `late`, and return its handle."""
        self.made += 1
        self.ring[self.made] = (pixels, frame, late)
        while len(self.ring) > RING:
            self.ring.popitem(last=False)
        return self.made

    def read(self, mask: Mask, size: tuple[int, int]) -> NDArray[np.float32]:
        """Lay a mask over its frame; see `People.read_mask`."""
        if mask.handle not in self.ring:
            raise StaleMask(f"mask {mask.handle} is gone: only the last {RING} are kept; read a mask in its own frame")
        pixels, frame, late = self.ring[mask.handle]
        laid = lay(pixels, mask.region, (frame.width, frame.height), size)
        return sigmoid(laid - SURE) if late else laid


class Driver:
    """Runs one pipeline over pictures, one after another.

    Args:
        pipeline: what to run.
        threads: of onnxruntime; 0 lets it choose.
        spin: let these threads wait actively, which is prompt on an idle machine and in the way on a busy one.

    """

    def __init__(self, pipeline: Pipeline, threads: int = 0, spin: bool = True) -> None:
        self.pipeline = pipeline
        self.threads = threads
        self.spin = spin
        self.models = {name: Model.load(name, threads, spin) for name in pipeline.models}
        self.masks = Masks()
        self.streams: Streams = {}
        self.closed = False

    def estimate(self, image: NDArray[np.uint8], frame: Frame, pipeline: Pipeline | None = None) -> People:
        """Run the pipeline, or another one in its place, on one picture, (h, w, 3) uint8 RGB.

        Raises:
            RuntimeError: this driver is closed.

        """
        if self.closed:
            raise RuntimeError("this estimator is closed: create another one")
        # Another pipeline neither goes on with the masks of this one nor changes them.
        streams = self.streams if pipeline is None else {}

        def answer(requests: Sequence[Infer]) -> list[Inferred]:
            return [self._infer(image, frame, request, streams) for request in requests]

        return replace(finish((pipeline or self.pipeline).estimate(frame), answer), reader=self.masks.read)

    def _infer(self, image: NDArray[np.uint8], frame: Frame, request: Infer, streams: Streams) -> Inferred:
        names = [*request.fetch, *(keep.output for keep in request.keep)]
        # Which input size suits a frame is known when the frame comes.
        if request.model not in self.models:
            self.models[request.model] = Model.load(request.model, self.threads, self.spin)
        arrays = self.models[request.model].run(image, request.region, names, request.size)
        kept = zip(request.keep, arrays[len(request.fetch) :], strict=True)
        return Inferred(
            dict(zip(request.fetch, arrays, strict=False)),
            tuple(self._keep(request, keep, array, frame, streams) for keep, array in kept),
        )

    def _keep(self, request: Infer, keep: Keep, array: NDArray[np.float32], frame: Frame, streams: Streams) -> Mask:
        region, stream = request.region, (request.model, keep.stream)
        pixels = logits = array.reshape(array.shape[-2:])
        if keep.activation == "sigmoid":
            pixels = sigmoid(pixels)
        if keep.smoothing:
            previous = streams.get(stream)
            if previous is not None:
                pixels = blend_masks(self._moved(*previous, region, pixels.shape), pixels, keep.smoothing)
            streams[stream] = (pixels, region)
        late = keep.late and keep.activation == "sigmoid" and not keep.smoothing
        # Laid over a frame, what lies outside becomes 0: so of logits the distance from the surest no is stored.
        handle = self.masks.add(np.clip(logits, -SURE, SURE) + SURE if late else pixels, frame, late=late)
        return summarise(handle, pixels, region, keep)

    def _moved(
        self, mask: NDArray[np.float32], was: Region, now: Region, shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        if was == now and mask.shape == shape:
            return mask
        # Where the region moved, the previous mask is laid where the new one lies.
        size = (shape[1], shape[0])
        return lay(mask, was.within(now, *size), size, size)

    def reset(self) -> None:
        """Forget tracks and masks."""
        self.pipeline.reset()
        self.streams.clear()

    def close(self) -> None:
        """Release the networks; masks already made stay readable."""
        self.closed = True
        self.models.clear()
        self.streams.clear()


def summarise(handle: int, pixels: NDArray[np.float32], region: Region, keep: Keep) -> Mask:
    """Say what of a mask counts: how many cells, how sure, and the box around them."""
    counts = pixels >= keep.threshold
    rows, columns = np.flatnonzero(counts.any(axis=1)), np.flatnonzero(counts.any(axis=0))
    height, width = pixels.shape
    count = int(counts.sum())
    extent = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if count else (0, 0, 0, 0)
    score = float(pixels[counts].mean(dtype=np.float64)) if count else 0.0
    return Mask(handle, width, height, region, keep.meaning, keep.threshold, count, score, extent)


class Estimator:
    """Runs a pipeline: call `estimate` once a picture.

    Pictures are (h, w, 3) uint8 RGB; (h, w, 4) RGBA, composited over white, and (h, w) grey are taken as well.
    `close()`, the end of a `with`, and garbage collection release its networks.
    """

    # Whether networks with an open input size run here.
    any_size = True

    def __init__(self, pipeline: Pipeline, threads: int = 0, spin: bool = True) -> None:
        self.driver = Driver(pipeline, threads, spin)
        self.index = 0

    @property
    def pipeline(self) -> Pipeline:
        """What it runs."""
        return self.driver.pipeline

    def estimate(self, image: NDArray[np.uint8], timestamp: float | None = None, *, still: bool = False) -> People:
        """Find the people in one picture.

        Args:
            image: (h, w, 3) uint8 RGB.
            timestamp: when it was taken, seconds; None counts 30 pictures a second.
            still: whether it is an image on its own, not one of a sequence: see `static_image_mode` of `BlazePose`.

        Raises:
            ValueError: not a picture, or not a time.

        """
        pixels = as_rgb(image)
        time = self.index / 30 if timestamp is None else number("timestamp", timestamp)
        frame = Frame(self.index, time, pixels.shape[1], pixels.shape[0], still)
        people = self.driver.estimate(pixels, frame)
        self.index += 1
        return people

    def estimate_by(self, pipeline: Pipeline, image: NDArray[np.uint8]) -> People:
        """Run another pipeline on one picture, with the networks that are loaded here; nothing is learned from it."""
        pixels = as_rgb(image)
        return self.driver.estimate(pixels, Frame(0, 0.0, pixels.shape[1], pixels.shape[0]), pipeline)

    def reset(self) -> None:
        """Begin a new sequence: forget what earlier pictures taught."""
        self.driver.reset()
        self.index = 0

    def close(self) -> None:
        """Release the networks; twice is once. What it found stays readable."""
        self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Segmenter(Estimator):
    """What `bodylens.create_segmenter` gives."""

    segment_people = Estimator.estimate


class Detector(Estimator):
    """What `bodylens.create_detector` gives."""

    estimate_poses = Estimator.estimate
