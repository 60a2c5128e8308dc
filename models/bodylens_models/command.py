"""`bodylens models`: list what there is, fetch it, bring one's own."""

import argparse
import sys
from pathlib import Path

from bodylens_models import catalogue, store
from bodylens_models.cards import page as card_page
from bodylens_models.catalogue import UnknownModel
from bodylens_models.convert.error import ConversionError
from bodylens_models.progress import Step, Terminal
from bodylens_models.progress import size as size_of


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `models` to the sub-commands of `bodylens`; args.run(args) then gives the exit status."""
    parser = subparsers.add_parser("models", help="list, fetch and import models")
    parser.set_defaults(run=listing)
    actions = parser.add_subparsers(title="actions")
    actions.add_parser("list", help="every model, its state and its size").set_defaults(run=listing)
    getting = actions.add_parser(
        "fetch", help="get models and convert them to ONNX, in all forms that are usually asked for"
    )
    getting.add_argument("names", nargs="*", metavar="NAME", help="a model's name, or name+variant for that form alone")
    getting.add_argument("--all", action="store_true", help="every model that can be had")
    getting.add_argument("--variant", help="the variant to make of each, e.g. webgl")
    getting.set_defaults(run=fetch)
    actions.add_parser("cards", help="print the page of model cards").set_defaults(run=cards)
    bringing = actions.add_parser("import", help="bring your own .onnx, .tflite or tfjs model.json")
    bringing.add_argument("file", metavar="FILE", type=Path)
    bringing.add_argument(
        "--name",
        help="what to call it; the name of a model that cannot be fetched makes that one ready (default: the file's)",
    )
    bringing.add_argument("--size", metavar="HxW", help="height and width, for a tfjs model that leaves them open")
    bringing.set_defaults(run=bring)


def listing(args: argparse.Namespace) -> int:
    """Print a line for each model: name, state, bytes to fetch, bytes of the ONNX file, what it is for."""
    rows = []
    for name, entry in catalogue.entries().items():
        state = store.state(name)
        word = {"ready": "ready", "fetchable": "can be had", "unavailable": "not to be had"}[state.state]
        word = "not to be had" if state.unreached else word
        onnx = size_of(state.onnx_bytes) if state.onnx_bytes else "-"
        rows.append((name, word, size_of(state.source_bytes) if state.source_bytes else "-", onnx, entry.title))
    titles = ("model", "state", "source", "onnx", "what it is")
    widths = [max(len(row[i]) for row in [*rows, titles]) for i in range(4)]
    for row in [titles, *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + "  " + row[4])
    for name, record in store.imported().items():
        print(f"{name}: imported, {size_of(record['bytes'])}, {record['path']}")
    for name in catalogue.entries():
        state = store.state(name)
        if state.state == "unavailable" or state.unreached:
            print(f"{name}: {state.why}")
    return 0


def fetch(args: argparse.Namespace) -> int:
    """Fetch and convert; 1 when one of the models could not be made ready, 2 when none was named."""
    if not args.names and not args.all:
        print("bodylens models fetch: name a model, or say --all (bodylens models lists them)", file=sys.stderr)
        return 2
    names = args.names or list(catalogue.entries())
    labels = [name if "+" in name or not args.variant else f"{name}+{args.variant}" for name in names]
    display = Terminal()
    try:
        every = dict.fromkeys([*labels, *catalogue.together(labels)])
        wanted = [(name, variant or None) for name, _, variant in (label.partition("+") for label in every)]
        if args.all and not args.names:
            wanted = [pair for pair in wanted if _can_be_had(pair, display)]
        store.ensure_all(wanted, display)
    except (UnknownModel, store.ModelUnavailable, ConversionError) as error:
        display.close()
        print(f"bodylens models fetch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        display.close()
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        display.close()
    return 0


def cards(args: argparse.Namespace) -> int:
    """Print the page of model cards."""
    print(card_page(), end="")
    return 0


def bring(args: argparse.Namespace) -> int:
    """Import a file and say what came of it; 1 when it cannot be converted or does not run."""
    try:
        size = tuple(int(n) for n in args.size.lower().split("x")) if args.size else None
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError
    except ValueError:
        print("bodylens models import: --size is a height and a width, as in 192x256", file=sys.stderr)
        return 2
    from bodylens_models import imports  # loads the converter

    try:
        found = imports.import_file(args.file, args.name, size)
    except ConversionError as error:
        print(f"bodylens models import: {error}", file=sys.stderr)
        return 1
    print(f"{found.name}: {found.path} ({size_of(found.path.stat().st_size)})")
    if len(found.ready) > 1:
        print(f"  and {', '.join(found.ready[1:])}")
    for word, ends in (("input", found.inputs), ("output", found.outputs)):
        for name, shape in ends.items():
            print(f"  {word} {name} [{', '.join('open' if n is None else str(n) for n in shape)}]")
    return 0


def _can_be_had(pair: tuple[str, str | None], display: Terminal) -> bool:
    state = store.state(*pair)
    if state.state == "unavailable":
        display(Step(pair[0], "trouble", where=state.why))
    return state.state != "unavailable"
