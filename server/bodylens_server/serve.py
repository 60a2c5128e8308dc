"""`bodylens serve`: make ready what the page needs, then serve it until Ctrl-C."""

import argparse
import contextlib
import errno
import signal
import socket
import sys
import time
from collections.abc import Sequence

import uvicorn

from bodylens_models import catalogue, store
from bodylens_models.convert.error import ConversionError
from bodylens_models.progress import Terminal
from bodylens_server import wheels
from bodylens_server.app import create_app
from bodylens_server.encoding import Encodings
from bodylens_server.errors import Failure
from bodylens_server.preparation import Preparation
from bodylens_server.site import Site

# What a first visit finds ready; every other model that can be had is made ready while the page is served.
MODELS = ["selfie-general", "selfie-landscape", "blazepose-lite", "blazepose-full"]
LOCAL = {"127.0.0.1", "localhost", "::1"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command."""
    parser = commands.add_parser("serve", help="serve the page on this machine")
    parser.add_argument(
        "--port", type=port_number, default=8000, help="where to listen; 0 takes any free port (default: 8000)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")
    parser.add_argument(
        "--models",
        nargs="*",
        metavar="NAME",
        help=f"models to make ready, and no others; none is a choice (default: {' '.join(MODELS)}, then all the rest)",
    )
    parser.set_defaults(run=run)


def port_number(text: str) -> int:
    """Read --port."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"there is no port {port}: choose one from 1 to 65535")
    return port


def listen(host: str, port: int) -> socket.socket:
    """Take the port, or say why it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(
                f"port {port} is in use: stop what runs there, or choose another, as in --port {port + 1}"
            ) from error
        why = str(error.strerror).partition(" (while")[0]
        raise Failure(f"port {port} on {host} cannot be opened: {why}") from error


def make_ready(names: Sequence[str]) -> None:
    """Fetch and convert models. One that cannot be had is no reason not to serve: the page says what is missing."""
    display = Terminal()
    for label in catalogue.together(names):
        name, _, variant = label.partition("+")
        if store.state(name, variant or None).state != "ready":
            try:
                store.ensure(name, variant or None, progress=display)
            except (store.ModelUnavailable, ConversionError) as error:
                display.close()
                print(f"  {error}", file=sys.stderr)
    display.close()


def run(arguments: argparse.Namespace) -> int:
    """Serve until the person stops it."""
    begun = time.monotonic()
    listener = listen(arguments.host, arguments.port)
    with listener:
        make_ready(MODELS if arguments.models is None else arguments.models)
        preparation = Preparation(catalogue.entries() if arguments.models is None else [])
        site = Site(made := wheels.build(), coming=preparation.names)
        if "micropip" not in made.names:
            print(f"  micropip {wheels.MICROPIP} cannot be had now: all works, but own code can install nothing.")
        encodings = Encodings()
        encodings.make_in_background(site.resources())
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(site, encodings),
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        port = listener.getsockname()[1]
        shown = "localhost" if arguments.host in LOCAL else arguments.host
        print(f"\n  bodylens is at http://{shown}:{port}\n")
        print(f"  Ready after {time.monotonic() - begun:.1f} s. Ctrl-C stops it.", flush=True)
        if arguments.host not in LOCAL:
            print("  Browsers give the camera to https and to localhost alone: from elsewhere, put https in front.")
        # uvicorn answers Ctrl-C by finishing, and then lets the signal go on: the end is as wished, not an error.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with preparation, contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
        print("\n  bodylens has stopped.")
    return 0
