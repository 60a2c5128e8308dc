"""The command line: `bodylens serve`, `bodylens models …`, `bodylens run …`."""

import argparse
import sys
from collections.abc import Sequence

from bodylens_server import serve
from bodylens_server.errors import Failure


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all sub-commands."""
    parser = argparse.ArgumentParser(prog="bodylens", description="Private, real-time pose and segmentation.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it did its work, 2 with one sentence when it could not."""
    parsed = make_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except Failure as failure:
        print(f"bodylens: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
