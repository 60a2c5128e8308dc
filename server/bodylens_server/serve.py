"""`bodylens serve`: make ready what the page needs, then serve it until Ctrl-C."""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bodylens_models import catalogue, store
from bodylens_models.convert.error import ConversionError
from bodylens_models.progress import Terminal
from bodylens_server import checkout, log, wheels
from bodylens_server.app import create_app
from bodylens_server.doors import Door, Doors, count
from bodylens_server.encoding import Encodings
from bodylens_server.log import FORMATS
from bodylens_server.phone import Phone, qr_terminal
from bodylens_server.preparation import Preparation
from bodylens_server.reach import Reach, reach
from bodylens_server.site import Site

# What a first visit finds ready; every other model that can be had is made ready while the page is served.
MODELS = ["selfie-general", "selfie-landscape", "blazepose-lite", "blazepose-full"]
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command."""
    parser = commands.add_parser("serve", help="serve the page on this machine, or to phones in the same network")
    parser.add_argument(
        "--port", type=port_number, default=8000, help="where to listen; 0 takes any free port (default: 8000)"
    )
    parser.add_argument("--host", help="the address to listen on (default: this machine alone; with --lan all)")
    parser.add_argument(
        "--lan",
        action="store_true",
        help="serve https to the network, with a certificate made on the spot; the next port explains it to phones",
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="a certificate of one's own for https, in PEM form")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key, in PEM form")
    parser.add_argument(
        "--prefix", type=path_prefix, default="", metavar="/PATH", help="the path below which a proxy shows the site"
    )
    parser.add_argument(
        "--log",
        choices=FORMATS,
        help="write a line for each answer to standard error, without anything about who asked (default: none)",
    )
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


def path_prefix(text: str) -> str:
    """Read --prefix: "/bodylens" or "/tools/bodylens", with or without a slash at its end."""
    path = text.removesuffix("/")
    if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise argparse.ArgumentTypeError(f"{text!r} is no path: write it as in --prefix /bodylens")
    return path


def make_ready(names: Sequence[str]) -> None:
    """Fetch and convert models. One that cannot be had is no reason not to serve: the page says what is missing."""
    display = Terminal()
    wanted = [(name, variant or None) for name, _, variant in (x.partition("+") for x in catalogue.together(names))]
    try:
        store.ensure_all([each for each in wanted if store.state(*each).state != "ready"], display)
    except (store.ModelUnavailable, ConversionError) as error:
        display.close()
        print(f"  {error}", file=sys.stderr)
    display.close()


def compress(encodings: Encodings, site: Site) -> None:
    """Compress what is not in the cache yet. Nothing of this is left to do once visitors come."""
    display = Terminal()
    encodings.make_all(
        site.resources(),
        lambda done, total: display.share("Compressing the page's files, once", done, total),
    )
    display.close()


def say(text: str = "") -> None:
    """Tell whoever started the server."""
    print(f"  {text}" if text else "", flush=True)


def announce(found: Reach, phone: Phone | None, scan: str, seconds: float) -> None:
    """Print where the server is and, with an address to `scan`, how phones get there."""
    if found.made:
        say(f"Made a root certificate for this network, in {found.made}.")
        say("It can vouch for addresses in private networks alone, and its key stays there, readable by you alone.")
    say()
    for index, address in enumerate(found.addresses):
        say(f"{'           and' if index else 'bodylens is at'} {address}")
    say()
    if scan:
        say(f"On a phone in the same network open {scan} or scan this:")
        say()
        if sys.stdout.isatty():
            print(qr_terminal(scan) + "\n", flush=True)
    if phone:
        say("It explains how to install the certificate, once. The SHA-256 fingerprint of that:")
        say(phone.root.fingerprint)
        say()
    if not found.certificate and found.names != ["localhost"]:
        say("Browsers give the camera to https and to localhost alone: put https in front, or try --lan.")
    say(f"Ready after {seconds:.1f} s. Ctrl-C stops it.")


def run(arguments: argparse.Namespace) -> int:
    """Serve until the person stops it."""
    begun = time.monotonic()
    checkout.require()
    log.start(arguments.log)
    found = reach(arguments.host, arguments.port, arguments.lan, arguments.cert, arguments.key, arguments.prefix)
    with found.listener, found.phone_listener or contextlib.nullcontext():
        make_ready(MODELS if arguments.models is None else arguments.models)
        preparation = Preparation(catalogue.entries() if arguments.models is None else [])
        site = Site(made := wheels.build(), coming=preparation.names)
        if "micropip" not in made.names:
            say(f"micropip {wheels.MICROPIP} cannot be had now: all works, but own code can install nothing.")
        encodings = Encodings()
        compress(encodings, site)
        phone = found.phone()
        app = create_app(site, encodings, arguments.prefix, phone.routes() if phone else ())
        doors = [Door(found.listener, app, found.certificate, found.key)]
        if phone and found.phone_listener:
            doors.append(Door(found.phone_listener, phone.plain_app()))
        running = Doors(doors, say)
        with running.signals():
            scan = (phone.page if phone else found.addresses[0]) if arguments.lan else ""
            announce(found, phone, scan, time.monotonic() - begun)
            with preparation:
                running.run()
    say()
    cut = f"; {count(running.cut)} {'was' if running.cut == 1 else 'were'} cut off" if running.cut else ""
    say(f"bodylens has stopped{cut}.")
    return 1 if running.cut else 0
