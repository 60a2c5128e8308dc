"""`bodylens run`: a picture or a video file in, a drawing, a mask and lines of JSON out."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bodylens.draw import draw_keypoints, draw_skeleton
from bodylens.people import People
from bodylens.record import to_record
from bodylens.systems import DETECTORS, option_names

Picture = NDArray[np.uint8]
Write = Callable[[Picture], None]

# The person's tint in `--out`, RGB; the page's default.
TINT = (46, 204, 168)


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Register `run` with the command line."""
    parser = subparsers.add_parser("run", help="find people in a picture or a video file")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a picture or a video file")
    parser.add_argument("--model", default="selfie-general", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="draw the result (.png, .jpg; .mp4 for a video)")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="write the mask in grey, as --out")
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


def run(args: argparse.Namespace) -> int:
    """Go through the source once; without any of the three outputs, JSON goes to standard output."""
    import bodylens

    options: dict[str, Any] = dict(args.option)
    if args.threshold is not None:
        options["threshold"] = args.threshold
    if args.smoothing:
        options["smoothing"] = True
    if args.mask and args.model in DETECTORS and "enable_segmentation" in option_names(args.model):
        options.setdefault("enable_segmentation", True)
    create = bodylens.create_detector if args.model in DETECTORS else bodylens.create_segmenter
    estimator = create(args.model, **options)
    lines = args.json if args.json or args.out or args.mask else "-"
    with ExitStack() as stack:
        write_line = _line_writer(lines, stack)
        draw = _picture_writer(args.out, args.source, stack)
        write_mask = _picture_writer(args.mask, args.source, stack)
        for picture, time in bodylens.frames(args.source):
            people = estimator.estimate(picture, time)
            mask = people.read_mask() if people.masks else None
            if write_line:
                write_line.write(json.dumps(to_record(people, mask)) + "\n")
            if draw:
                draw(drawn(picture, people, mask))
            if write_mask:
                if mask is None:
                    raise ValueError(f"{args.model} gives no mask, so there is nothing to write to {args.mask}")
                write_mask(np.round(mask * 255).astype(np.uint8))
    return 0


def drawn(picture: Picture, people: People, mask: NDArray[np.float32] | None) -> Picture:
    """Tint the persons, box and number each.

    Args:
        picture: (h, w, 3) uint8 RGB.
        people: found in it.
        mask: (h, w) float32, or None.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    out = picture.astype(np.float32)
    if mask is not None:
        alpha = 0.6 * mask[..., None]
        out += (np.array(TINT, np.float32) - out) * alpha
    canvas = np.round(out).astype(np.uint8)
    thickness = max(1, round(max(canvas.shape) / 400))
    for number, score, box in zip(people.ids, people.scores, people.boxes, strict=True):
        x, y, w, h = (round(float(v)) for v in box)
        cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), TINT, thickness)
        at = (x + 4 * thickness, y + 14 * thickness)
        cv2.putText(canvas, f"{number}  {score:.2f}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * thickness, TINT, thickness)
    joined = draw_skeleton(canvas, people, width=2.0 * thickness, color=TINT)
    return draw_keypoints(joined, people, radius=2.0 * thickness, color=(255, 255, 255))


def _line_writer(target: str | None, stack: ExitStack) -> IO[str] | None:
    if target is None:
        return None
    return sys.stdout if target == "-" else stack.enter_context(Path(target).open("w", encoding="utf-8"))


def _picture_writer(target: Path | None, source: Path, stack: ExitStack) -> Write | None:
    """Open a picture file, or a video file if that is its ending."""
    from bodylens.native import media

    if target is None:
        return None
    if target.suffix.lower() in (".mp4", ".avi", ".mkv", ".mov"):
        return stack.enter_context(media.VideoWriter(target, media.frame_rate(source))).write
    written = False

    def write(picture: Picture) -> None:
        nonlocal written
        if written:
            raise ValueError(f"{source} has several frames: give {target.name} a video's ending, such as .mp4")
        media.write_picture(target, picture)
        written = True

    return write
