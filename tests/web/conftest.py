"""A real server and a real Chromium with a camera that shows a portrait in slow motion.

`visit("?source=sample")` opens the page in a context of its own and remembers what it asked for and complained about;
`wait_state(page, "running")` waits for the page to say so; `page` is the front page without its program, for tests that
import single modules.
"""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, Request, expect, sync_playwright
from studio import STUDIO

from bodylens_server import build, checkout, wheels
from bodylens_server.site import Site

PICTURES = Path(__file__).parents[1] / "pictures"
BROWSERS = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
]
FLAGS = [
    "--no-sandbox",
    # Chromium's own traffic must not be mistaken for the page's.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
# Without it, a browser on a machine without a GPU offers no WebGPU.
WEBGPU = "--enable-unsafe-webgpu"
CAMERAS = {
    "fake": ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    "two": ["--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream"],
    "none": ["--use-fake-ui-for-media-stream"],
    "refused": ["--use-fake-device-for-media-stream", "--deny-permission-prompts"],
}
START = 500  # seconds for a server that may have to fetch models and compile wheels first
PATIENCE = 120_000  # milliseconds for what a browser is asked: how soon it must come only some tests say, on purpose
expect.set_options(timeout=PATIENCE)


@dataclass
class Visit:
    """One opened page, and everything that it asked for and complained about."""

    page: Page
    requests: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def state(self):
        return self.page.evaluate("document.documentElement.dataset.state")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Give the address of a real `bodylens serve`, without a slash at its end."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bodylens_server.command", "serve", "--port", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + START
        while not (found := re.search(r"http://localhost:\d+", log.read_text())):
            assert process.poll() is None, f"the server ended:\n{log.read_text()}"
            assert time.monotonic() < until, f"the server did not start within {START} s:\n{log.read_text()}"
            time.sleep(0.05)
        yield found[0]
    finally:
        process.terminate()  # it finishes what is under way, for half a minute at most
        process.wait(timeout=120)


@pytest.fixture(scope="session")
def write_site():
    """Build a site for a host that allows only small files, so that the network's wasm comes gzipped."""

    def write_site(host, web=checkout.WEB):
        models = ["selfie-general", "selfie-general+webgl", "selfie-landscape"]
        build.make_ready(models)
        files = build.collect(Site(wheels.build(), web, models), limit=12_000_000)
        build.write(files, host / "below" / "a path")

    return write_site


@pytest.fixture(scope="session")
def built(tmp_path_factory, write_site):
    """Build the site below a path of a static host."""
    folder = tmp_path_factory.mktemp("host")
    write_site(folder)
    return folder


class BareHandler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` does, without its log."""

    def log_message(self, *args):
        pass

    def copyfile(self, source, outputfile):
        self.server.sent.append((self.path, os.fstat(source.fileno()).st_size))
        super().copyfile(source, outputfile)


class InflatingHandler(BareHandler):
    """What some hosts do: they call a gzipped file the encoded form of what it holds."""

    def end_headers(self):
        if self.path.endswith(".gz"):
            self.send_header("content-encoding", "gzip")
        super().end_headers()


class SlowHandler(BareHandler):
    """A host that keeps one waiting for models until `server.opened` is set."""

    def copyfile(self, source, outputfile):
        if "/models/selfie" in self.path:
            self.server.opened.wait(600)
        super().copyfile(source, outputfile)


class HalvingHandler(BareHandler):
    """A host that sends half of each model, and the other half once `server.opened` is set."""

    def copyfile(self, source, outputfile):
        if "/models/selfie" in self.path:
            outputfile.write(source.read(os.fstat(source.fileno()).st_size // 2))
            outputfile.flush()
            self.server.opened.wait(240)
        super().copyfile(source, outputfile)


class Host:
    """A static host that says nothing about policies or isolation; it can be switched off.

    `sent` lists the paths that it was asked for and had, with the bytes of each body.
    """

    def __init__(self, folder, handler=BareHandler):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
        )
        self.sent = self.server.sent = []
        self.opened = self.server.opened = threading.Event()
        self.address = f"http://localhost:{self.server.server_port}/below/a%20path/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self):
        """Switch it off; once more does nothing."""
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


@pytest.fixture
def start_host():
    """Start static hosts: `start_host(folder, handler=BareHandler)`."""
    hosts = []

    def start_host(folder, handler=BareHandler):
        hosts.append(Host(folder, handler))
        return hosts[-1]

    yield start_host
    for host in hosts:
        host.stop()


@pytest.fixture
def inflating_host(built, start_host):
    """Give a static host that sends gzipped files as the encoded form of what they hold."""
    return start_host(built, InflatingHandler)


@pytest.fixture
def slow_host(built, start_host):
    """Give a static host that holds models back until its `opened` is set."""
    host = start_host(built, SlowHandler)
    yield host
    host.opened.set()


@pytest.fixture
def halving_host(built, start_host):
    """Give a static host that sends half of each model, and the other half once its `opened` is set."""
    host = start_host(built, HalvingHandler)
    yield host
    host.opened.set()


@pytest.fixture
def host(built, start_host):
    """Give a bare static host with the built site."""
    return start_host(built)


@pytest.fixture(scope="session")
def camera_file(tmp_path_factory):
    """Write what the fake camera shows: the portrait, panned to and fro, so that each frame differs from the last."""
    portrait = cv2.imread(str(PICTURES / "astronaut.jpg"))
    width, height, steps = 640, 480, 20
    portrait = cv2.resize(portrait, (width + 2 * steps, (width + 2 * steps) * portrait.shape[0] // portrait.shape[1]))
    path = tmp_path_factory.mktemp("camera") / "portrait.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F20:1 Ip A1:1 C420\n".encode())
        for step in [*range(steps), *range(steps, 0, -1)]:
            view = np.ascontiguousarray(portrait[:height, 2 * step : 2 * step + width])
            file.write(b"FRAME\n" + cv2.cvtColor(view, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="session")
def chromium():
    """Give playwright's driver of Chromium, and the program to start: the machine's own, else playwright's."""
    wanted = os.environ.get("BODYLENS_CHROMIUM")
    program = wanted or next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail("no Chromium or Chrome was found: run scripts/test, or name one in BODYLENS_CHROMIUM")
        yield playwright.chromium, program


@pytest.fixture(scope="session")
def launch(chromium, camera_file):
    """Give browsers, each started once: `launch(camera="fake" | "two" | "none" | "refused", webgpu=True)`."""
    kind, program = chromium
    browsers = {}

    def flags(camera="fake", webgpu=True):
        film = [f"--use-file-for-fake-video-capture={camera_file}"] if camera == "fake" else []
        return [*FLAGS, *([WEBGPU] if webgpu else []), *CAMERAS[camera], *film]

    def launch(camera="fake", webgpu=True):
        key = (camera, webgpu)
        if key not in browsers:
            browsers[key] = kind.launch(executable_path=program, args=flags(*key), timeout=PATIENCE)
        return browsers[key]

    launch.flags = flags
    yield launch
    for browser in browsers.values():
        browser.close()


@pytest.fixture
def start_chromium(chromium, camera_file):
    """Start a Chromium of a test's own, with more flags: `start_chromium(*flags, env={})`."""
    kind, program = chromium
    browsers = []

    def start_chromium(*flags, env=None):
        film = f"--use-file-for-fake-video-capture={camera_file}"
        flags = [*FLAGS, *CAMERAS["fake"], film, *flags]
        own = {**os.environ, **(env or {})}
        browsers.append(kind.launch(executable_path=program, args=flags, env=own, timeout=PATIENCE))
        return browsers[-1]

    yield start_chromium
    for browser in browsers:
        browser.close()


@pytest.fixture(scope="session")
def browser(launch):
    """Give the browser with the fake camera."""
    return launch()


def begin_with(route, script):
    """Let a script of the site begin with another."""
    response = route.fetch()
    headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
    route.fulfill(response=response, headers=headers, body=f"{script};\n{response.text()}")


@pytest.fixture
def visit(launch, server):
    """Open the page: `visit(query="", camera="fake", webgpu=True, script="", **context)`.

    `script` runs in the page before its own program, `worker` in its workers before theirs, and the other options are
    those of playwright's contexts. Every
    visit has storage of its own; `again=visit` reuses that of an earlier one. `at` is another address
    than the server's.
    """
    contexts = []

    def visit(
        query="", *, camera="fake", webgpu=True, script="", worker="", again=None, program=True, at=None, **options
    ):
        if again:
            context = again.page.context
        else:
            context = launch(camera, webgpu).new_context(**options)
            context.set_default_timeout(PATIENCE)
            contexts.append(context)
        opened = Visit(context.new_page())
        page = opened.page
        page.on("request", lambda request: opened.requests.append(request))
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and opened.errors.append(message.text))
        if script:
            page.add_init_script(script)
        if worker:
            page.route("**/worker.js", lambda route: begin_with(route, worker))
        if not program:
            page.route("**/page/main.js", lambda route: route.abort())
        page.goto((at or f"{server}/") + query)
        return opened

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def studio(server, browser):
    """Open an empty page of the site, so that nothing but the compositor runs."""
    page = browser.new_page()
    page.goto(f"{server.rstrip('/')}/health")
    page.evaluate(STUDIO)
    yield page
    page.close()


@pytest.fixture
def page(visit):
    """Give the front page with its addresses but without its program, to import single modules into it."""
    return visit(program=False).page


@pytest.fixture
def wait_state():
    """Wait until a page says that it is in a state; a page that says `error` instead fails at once.

    Playwright's wait_for_function evaluates a string in the page, which the page's policy forbids: hence a selector.
    """

    def wait_state(page, state, timeout=PATIENCE / 1000):
        either = f'html[data-state="{state}"], html[data-state="error"]'
        end = time.monotonic() + timeout
        while True:
            page.wait_for_selector(either, state="attached", timeout=1000 * max(1, end - time.monotonic()))
            now = page.evaluate("document.documentElement.dataset.state")
            if now == state:
                return
            told = page.inner_text("body")
            # A busy machine may be slower than the page has patience for; it goes on by itself.
            assert "has stopped answering" in told and time.monotonic() < end, f"the page says {now}: {told[:500]}"
            page.wait_for_timeout(100)

    return wait_state
