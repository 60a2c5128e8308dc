"""The command line: `bodylens serve`, `bodylens build`, `bodylens run …`, `bodylens models …`, `bodylens licenses`.

Each command is imported when it is called: help comes at once, whatever extras are installed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from bodylens_server.errors import Failure


class Command(NamedTuple):
    """A command: the module that has it, the extra with what it needs, and its line in the help."""

    module: str
    extra: str
    help: str


COMMANDS = {
    "serve": Command(
        "bodylens_server.serve", "server", "serve the page on this machine, or to phones in the same network"
    ),
    "build": Command("bodylens_server.build", "server", "write the page as a folder for any static host"),
    "run": Command("bodylens_server.run", "native", "find people in a picture or a video file"),
    "models": Command("bodylens_models.command", "models", "list, fetch and import models"),
    "licenses": Command("bodylens_server.licenses", "server", "list whose works the page contains, and their licences"),
}
OWN = {"bodylens", "bodylens_models", "bodylens_server"}


class Version(argparse.Action):
    """Print the version and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:  # noqa: ANN401
        """Print it."""
        from importlib.metadata import version

        print(f"bodylens {version('bodylens')}")
        parser.exit()


def make_parser(names: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Return the parser with all commands; of those not in `names` only their names and what they do."""
    parser = argparse.ArgumentParser(prog="bodylens", description="Private, real-time body pose and segmentation.")
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        if name in names:
            import_module(command.module).add_parser(commands)
        else:
            commands.add_parser(name, help=command.help)
    return parser


def is_expected(error: Exception) -> bool:
    """Return whether a person can mend it: its text says what to do, and a traceback would hide it."""
    from bodylens_models.store import ModelUnavailable

    return isinstance(error, (Failure, ModelUnavailable, OSError, ValueError))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it did its work, 2 with one sentence when it could not."""
    given = sys.argv[1:] if arguments is None else arguments
    called = next((word for word in given if not word.startswith("-")), "")
    try:
        parsed = make_parser([called]).parse_args(given)
        return int(parsed.run(parsed))
    except BrokenPipeError:
        # Whoever read has heard enough, as in `bodylens models | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if called not in COMMANDS or missing in OWN:
            raise
        extra = COMMANDS[called].extra
        way = f'pip install "bodylens[{extra}]" (in a checkout ".[{extra}]")'
        print(f"bodylens: {called} needs {missing}, which is not installed: run {way}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bodylens: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if not is_expected(error):
            raise
        print(f"bodylens: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
