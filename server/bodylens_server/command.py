"""The command line: `bodylens serve`, `bodylens build`, `bodylens models …`, `bodylens run …`."""

import argparse
import os
import sys
from collections.abc import Sequence

try:
    from bodylens_models import command as models
    from bodylens_models.store import ModelUnavailable
    from bodylens_server import build, run, serve
    from bodylens_server.errors import Failure
except ModuleNotFoundError as error:  # installed without what the commands need
    sys.exit(
        f'bodylens: {error.name} is missing: install bodylens with the extra "server", as in pip install ".[server]"'
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all sub-commands."""
    parser = argparse.ArgumentParser(prog="bodylens", description="Private, real-time body pose and segmentation.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve.add_parser(commands)
    build.add_parser(commands)
    run.add_parser(commands)
    models.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it did its work, 2 with one sentence when it could not."""
    parsed = make_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except BrokenPipeError:
        # Whoever read has heard enough, as in `bodylens models | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Failure, ModelUnavailable, OSError, ValueError) as error:
        # Those of our modules say what to do; a traceback would only hide it.
        print(f"bodylens: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bodylens: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
