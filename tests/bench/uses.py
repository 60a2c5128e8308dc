"""What each way to use the page costs: bytes over the wire and seconds to the first mask, visit by visit.

The camera is Chromium's fake one. All goes through a wire that counts bytes, headers as well, and adds nothing:
seconds tell of computing, and bytes of what a slow network adds. The last visit is one with the wire cut.
"""

import argparse
import functools
import http.server
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserType, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
QUERY = "?source=camera&effect=mask&backend=wasm&model="
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "has_touch": True, "is_mobile": True}


class Wire:
    """Passes connections on to a port, counts what comes back, and can be cut."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.received = 0
        self.cut = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Take connections; a cut wire drops them."""
        while True:
            near, _ = self.listener.accept()
            if self.cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(source, sink, source is far), daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        """Carry one way until it ends."""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.cut:
                    break
                sink.sendall(data)
                self.received += len(data) if back else 0
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def visit(kind: BrowserType, program: str | None, profile: str, address: str, options: dict[str, Any]) -> float:
    """Open the page in a browser of its own, and give the seconds to its first mask, reloads included."""
    context = kind.launch_persistent_context(profile, executable_path=program, args=FLAGS, **options)
    page = context.new_page()
    begun = time.monotonic()
    page.goto(address)
    page.wait_for_selector("html[data-state=running]", state="attached", timeout=180_000)
    seconds = time.monotonic() - begun
    page.wait_for_timeout(4000)  # so that the memory of Python is kept before the browser goes
    context.close()
    return seconds


def measure(
    kind: BrowserType, program: str | None, name: str, port: int, path: str, options: dict[str, Any], offline: bool
) -> None:
    """Print a row."""
    wire = Wire(port)
    address = f"http://localhost:{wire.port}{path}"
    cells = []
    with tempfile.TemporaryDirectory() as profile:
        for number in range(3 if offline else 2):
            wire.cut = number == 2
            before = wire.received
            seconds = visit(kind, program, profile, address, options)
            cells.append(f"{(wire.received - before) / 1e6:9.2f}{seconds:7.1f}")
    print(f"  {name:34}" + "".join(cells))


class Bare(http.server.SimpleHTTPRequestHandler):
    """A host that does nothing but send files."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="selfie-general")
    arguments = parser.parse_args()
    program = next((p for name in ("chromium", "google-chrome") if (p := shutil.which(name))), None)
    bodylens = [sys.executable, "-m", "bodylens_server.command"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "log.txt"
        out = Path(folder) / "host" / "below" / "a path"
        subprocess.run([*bodylens, "build", str(out)], check=True, stdout=subprocess.DEVNULL)
        bare = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Bare, directory=str(Path(folder) / "host"))
        )
        threading.Thread(target=bare.serve_forever, daemon=True).start()
        server = subprocess.Popen([*bodylens, "serve", "--port", "0"], stdout=log.open("w"), stderr=subprocess.STDOUT)
        try:
            while not (found := re.search(r"http://localhost:(\d+)", log.read_text())):
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
            ours, query = int(found[1]), QUERY + arguments.model
            print(f"{arguments.model}, wasm, from navigation to the first mask")
            titles = ("first MB", "s", "second MB", "s", "cut off MB", "s")
            print(f"  {'':34}" + "".join(f"{title:>{9 - 2 * (i % 2)}}" for i, title in enumerate(titles)))
            for title, options in (("computer", {}), ("phone", PHONE)):
                for name, port, path, offline in (
                    ("our server", ours, "/", False),
                    ("a folder on a bare host", bare.server_port, "/below/a%20path/", True),
                ):
                    row = f"{name}, {title}"
                    measure(playwright.chromium, program, row, port, path + query, options, offline)
        finally:
            server.terminate()
            server.wait()
            bare.shutdown()


if __name__ == "__main__":
    main()
