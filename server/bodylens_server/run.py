"""`bodylens run`: an image or a video file in, a drawing, a mask and lines of JSON out."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from bodylens_server.errors import Failure
from bodylens_server.output import Lines, OnePicture, Output, Writer, check_targets

if TYPE_CHECKING:
    from bodylens.native.driver import Estimator
    from bodylens.native.picture import Picture
    from bodylens.people import People
    from bodylens_server.masks import Mask

    Result = tuple[Picture, float, People, "tuple[Mask | None, list[Mask] | None]"]

JSON_ENDINGS = ("", ".json", ".jsonl", ".ndjson", ".txt")


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Register `run` with the command line."""
    parser = subparsers.add_parser("run", help="find people in a picture or a video file")
    parser.add_argument("source", type=Path, nargs="+", metavar="SOURCE", help="a picture or a video file")
    parser.add_argument("--model", default="selfie-general", metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="draw the result (.png, .jpg; .mp4, .webm, .mkv, .mov, .avi of a video)",
    )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="write the mask in grey, as --out")
    parser.add_argument(
        "--masks",
        choices=("union", "each"),
        default="union",
        help="one mask for all people, or one each: FILE-ID.png, and masks in JSON; default: %(default)s",
    )
    parser.add_argument("--json", metavar="FILE", help="write a line of JSON a frame; - for standard output")
    parser.add_argument("--threshold", type=float, help="the probability from which a pixel counts as person")
    parser.add_argument("--smoothing", action="store_true", help="calm the mask over time")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=VALUE",
        help="an option of the system's own",
    )
    parser.set_defaults(run=run)


def _option(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value that is JSON is read as such, any other is text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


class Stopped(Exception):
    """A signal asked for the end; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(args: argparse.Namespace) -> int:
    """Go through the source once; without any of the three outputs, JSON goes to standard output."""
    from bodylens.native import media

    if len(args.source) > 1:
        raise Failure(f"one file at a time, not {len(args.source)}: run it once for {args.source[0]}, and so on")
    source = args.source[0]
    outputs = Outputs(args, source, media.is_still(source))
    estimator, outputs.masked = _estimator(args)
    done = 0

    def results(frames: "Iterator[tuple[Picture, float]]") -> "Iterator[Result]":
        for frame, time in frames:
            people = estimator.estimate(frame, time, still=outputs.still)
            yield frame, time, people, outputs.masks_of(people)

    try:
        # Decoding, networks and writing each have a thread.
        with (
            outputs,
            _signals() as check,
            media.prefetched(media.frames(source)) as frames,
            media.prefetched(results(frames), ahead=1) as found,
        ):
            for result in found:
                check()
                outputs.write(*result)
                done += 1
    except Stopped as stopped:
        print(f"bodylens: stopped after {_frames(done)}; the results so far are kept", file=sys.stderr)
        return 128 + stopped.number
    except ValueError as error:  # the source is damaged
        if not done:
            raise
        raise Failure(f"{error}; the results of {_frames(done)} are kept") from error
    finally:
        for note in outputs.notes:
            print(f"bodylens: {note}", file=sys.stderr)
    return 0


def _frames(count: int) -> str:
    return f"{count} frame{'' if count == 1 else 's'}"


def _estimator(args: argparse.Namespace) -> "tuple[Estimator, bool]":
    """Make what runs, and say whether it gives masks."""
    from bodylens.native.driver import Detector, Segmenter
    from bodylens.systems import DETECTORS, FAMILIES, make_detector, make_segmenter, option_names, segments

    options: dict[str, Any] = dict(args.option)
    if args.threshold is not None:
        options["threshold"] = args.threshold
    if args.smoothing:
        options["smoothing"] = True
    known = option_names(args.model)
    detects = args.model in DETECTORS or args.model in FAMILIES
    if args.mask and detects and "mask_model" not in options:
        if not segments(args.model):
            raise Failure(f"{args.model} gives no mask: add --option mask_model=selfie-general, or leave out --mask")
        if "enable_segmentation" in known:
            options.setdefault("enable_segmentation", True)
    if args.masks == "each":
        if "multi_segmentation" in known:
            options.setdefault("multi_segmentation", True)
        elif "enable_segmentation" not in known or "mask_model" in options:
            raise Failure("--masks each needs a model that masks people one by one: one of BlazePose or BodyPix")
        else:
            options.setdefault("enable_segmentation", True)
    masked = not detects or bool(options.get("enable_segmentation")) or "person_map" in known or "mask_model" in options
    if args.mask and not masked:
        raise Failure(f"{args.model} gives no mask with these options: leave out --mask, or the options")
    try:
        pipeline = (make_detector if detects else make_segmenter)(args.model, options)
    except TypeError as error:
        raise Failure(str(error)) from error
    # Decoders and encoders have a use for the time in which onnxruntime's threads would wait actively.
    estimator = (Detector if detects else Segmenter)(pipeline, spin=False)
    return estimator, masked


@contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """Turn the first SIGINT or SIGTERM into `Stopped`, raised by the function given; the next ends at once."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    def check() -> None:
        if came:
            raise Stopped(came[0])

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
        check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Outputs:
    """All that a run writes. Use it in a `with` statement.

    Args:
        args: of the command line.
        source: the file that is read.
        still: whether it is an image without movement.

    Raises:
        Failure: one of the files cannot be written; the message says what to do.

    """

    # Whether what runs gives masks: then nobody has an empty one.
    masked = True

    def __init__(self, args: argparse.Namespace, source: Path, still: bool) -> None:
        self.source, self.still, self.each = source, still, args.masks == "each"
        json_path = None if args.json in (None, "-") else Path(args.json)
        self.json = args.json is not None or not (args.out or args.mask)
        self.paths = {"--out": args.out, "--mask": args.mask, "--json": json_path}
        self.targets = [(option, path) for option, path in self.paths.items() if path is not None]
        check_targets(source, self.targets)
        for option, path in self.targets:
            self._check_ending(option, path)
        self.stack = ExitStack()
        self.opened: dict[tuple[str, Path | None], Output] = {}
        self.persons: dict[int, Path] = {}
        self.times: list[float] = []

    def _check_ending(self, option: str, path: Path) -> None:
        from bodylens.native.picture import can_write
        from bodylens.native.writer import FORMS

        ending = path.suffix.lower()
        if option == "--json":
            if ending not in JSON_ENDINGS:
                raise Failure(f"--json {path} would hold JSON, not {ending[1:]}: name it .jsonl")
        elif ending in FORMS:
            return
        elif not can_write(path):
            raise Failure(f"{option} {path}: no picture format has this ending; use .png or .jpg, of a video .mp4")
        elif not self.still:
            raise Failure(f"{self.source} has several frames: give {path.name} a video's ending, such as .mp4")

    @property
    def notes(self) -> list[str]:
        """What a person should know about the files."""
        written = [(output.name, output.writer) for output in self.opened.values() if output.writer is not None]
        return [f"{name}: {note}" for name, writer in written for note in writer.notes]

    def masks_of(self, people: "People") -> "tuple[Mask | None, list[Mask] | None]":
        """Return the union of the masks of a frame's people, and one each where that is asked for."""
        from bodylens_server import masks

        union = masks.union(people)
        if union is None and self.masked:
            union = masks.none(people)
        return union, masks.each(people) if self.each else None

    def write(
        self, frame: "Picture", time: float, people: "People", found: "tuple[Mask | None, list[Mask] | None]"
    ) -> None:
        """Write what was found in a frame, which is drawn on.

        Raises:
            Failure: a file cannot be written.

        """
        from bodylens.record import to_record
        from bodylens_server import drawing, masks

        mask, each = found
        if self.json:
            record = to_record(people, None if self.each else mask, each)
            self._output("--json", self.paths["--json"]).write(json.dumps(record), time)
        path = self.paths["--mask"]
        if path and each is not None:
            self._write_each(path, people, each, time)
        elif path and mask is not None:
            self._output("--mask", path).write(masks.grey(mask), time)
        if self.paths["--out"]:
            drawing.draw(frame, people, mask)
            self._output("--out", self.paths["--out"]).write(frame, time)

    def _write_each(self, named: Path, people: "People", found: "list[Mask]", time: float) -> None:
        """Write a file a person, all as long as the source: a person who is not there has an empty mask."""
        from bodylens_server import masks

        nobody = masks.grey(masks.none(people))
        now = {person: masks.grey(mask) for person, mask in zip(people.ids.tolist(), found, strict=True)}
        for person in now.keys() - self.persons.keys():
            path = self.persons[person] = named.with_name(f"{named.stem}-{person}{named.suffix}")
            check_targets(self.source, [*self.targets, ("--mask", path)])
            for before in self.times:
                self._output("--mask", path).write(nobody, before)
        for person, path in self.persons.items():
            self._output("--mask", path).write(now.get(person, nobody), time)
        self.times.append(time)

    def _output(self, option: str, path: Path | None) -> Output:
        key = option, path
        if key not in self.opened:
            make = self._lines if option == "--json" else self._pictures
            self.opened[key] = self.stack.enter_context(Output(option, path, make))
        return self.opened[key]

    def _lines(self, path: Path | None) -> Writer:
        return Lines(path or sys.stdout)

    def _pictures(self, path: Path | None) -> Writer:
        from bodylens.native.media import rate
        from bodylens.native.writer import FORMS, VideoWriter

        assert path is not None
        if path.suffix.lower() not in FORMS:
            return OnePicture(path)
        return VideoWriter(path, rate(self.source), None if self.still else self.source)

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:  # noqa: ANN401
        self.stack.__exit__(kind, error, trace)
