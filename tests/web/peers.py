"""Firefox and WebKit, each driven by a protocol that it speaks itself.

Both have `open(address)`, `evaluate(expression)`, which awaits, `wait_for(expression)` and `close()`.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2
from websockets.sync.client import connect

START = 120  # seconds for a browser
ANSWER = 240  # seconds for what is evaluated in a page
MINI_BROWSERS = "usr/lib/*/webkit2gtk-4.*/MiniBrowser"

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "webgl.force-enabled": True,  # on the processor too
    # Firefox's own traffic is not the page's.
    "app.normandy.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Missing(Exception):
    """The browser is not on this machine, or does not start on it."""


class Refused(Exception):
    """The page threw, or went away meanwhile."""


class Browser:
    """What both have in common: `_run` gives the string that the body of an asynchronous function returns."""

    ends: contextlib.ExitStack

    def close(self):
        """End it, and whatever was started for it."""
        self.ends.close()

    def evaluate(self, expression):
        """Give the value of an expression, awaited, in the page."""
        value = self._run(f"return JSON.stringify((await ({expression})) ?? null)")
        return json.loads(value)

    def wait_for(self, expression, seconds=240):
        """Wait for an expression to hold, over reloads too, and give its value."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Refused):  # a page that reloads has no answer
                if value := self.evaluate(expression):
                    return value
            assert time.monotonic() < end, f"{expression} never held: {self.evaluate('document.body.innerText')[:500]}"
            time.sleep(0.1)


class Firefox(Browser):
    """Firefox over WebDriver BiDi, with its own fake camera; ref: https://w3c.github.io/webdriver-bidi/."""

    def __init__(self):
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if not program:
            raise Missing("Firefox is not on this machine: apt-get install firefox-esr")
        self.numbers = itertools.count(1)
        with contextlib.ExitStack() as ends:
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
            (folder / "user.js").write_text("\n".join(lines))
            log = folder / "log.txt"
            command = [program, "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
            own = {"HOME": str(folder)}
            if shutil.which("Xvfb"):
                own["DISPLAY"] = ends.enter_context(screen(folder))
            else:
                command.append("--headless")  # which has no WebGL
            process = ends.enter_context(running(command, log, **own))
            address = said(log, r"BiDi listening on (ws://\S+)", process)
            self.socket = ends.enter_context(connect(f"{address}/session", max_size=None, open_timeout=START))
            self._call("session.new", capabilities={})
            self.context = self._call("browsingContext.getTree")["contexts"][0]["context"]
            self.ends = ends.pop_all()

    def open(self, address):
        """Go to an address."""
        self._call("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def _run(self, body):
        given = self._call(
            "script.evaluate",
            expression=f"(async () => {{ {body} }})()",
            target={"context": self.context},
            awaitPromise=True,
        )
        if given["type"] != "success":
            raise Refused(given["exceptionDetails"]["text"])
        return given["result"]["value"]

    def _call(self, method, **params):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=ANSWER))
            if message.get("id") != number:
                continue  # an event, which nobody asked for
            if message["type"] == "error":
                raise Refused(f"{method}: {message['message']}")
            return message["result"]


class WebKit(Browser):
    """WebKitGTK's MiniBrowser over WebDriver, on a screen of its own; ref: https://www.w3.org/TR/webdriver2/."""

    # Safari has WebGL in workers from version 17 on; the GTK port has it too, but switched off.
    ARGUMENTS = (
        "--automation",
        "--enable-media-stream=true",
        "--enable-mock-capture-devices=true",
        "--features=AllowWebGLInWorkers",
    )

    def __init__(self):
        programs = sorted(Path("/").glob(MINI_BROWSERS))
        if not programs or not shutil.which("WebKitWebDriver") or not shutil.which("Xvfb"):
            raise Missing("WebKit is not on this machine: apt-get install webkit2gtk-driver xvfb")
        with contextlib.ExitStack() as ends:
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            display = ends.enter_context(screen(folder))
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            own = {"DISPLAY": display, "HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
            ends.enter_context(running(["WebKitWebDriver", f"--port={port}"], folder / "log.txt", **own))
            self.http = ends.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER))
            self._wait_for_driver()
            options = {"binary": str(programs[-1]), "args": list(self.ARGUMENTS)}
            wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
            self.session = f"/session/{self._call('POST', '/session', wanted)['sessionId']}"
            ends.callback(self._call, "DELETE", self.session)
            self._call("POST", f"{self.session}/timeouts", {"script": 1000 * ANSWER})
            self.ends = ends.pop_all()

    def _wait_for_driver(self):
        end = time.monotonic() + START
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if self.http.get("/status").is_success:
                    return
            if time.monotonic() > end:
                raise Missing("WebKitWebDriver does not answer here")
            time.sleep(0.05)

    def open(self, address):
        """Go to an address."""
        self._call("POST", f"{self.session}/url", {"url": address})

    def _run(self, body):
        script = f"""
          const done = arguments[0];
          (async () => {{ {body} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));
        """
        given = self._call("POST", f"{self.session}/execute/async", {"script": script, "args": []})
        if "error" in given:
            raise Refused(given["error"])
        return given["value"]

    def _call(self, method, path, body=None):
        response = self.http.request(method, path, json=body)
        if response.is_error:
            raise Refused(response.text[:500])
        return response.json()["value"]


@contextlib.contextmanager
def running(command, log, **environment):
    """Run a program that writes to a file, and end it."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def screen(folder):
    """Give a screen that nobody sees, as `:number`."""
    log = folder / "screen.txt"
    with running(["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"], log) as process:
        yield ":" + said(log, r"(\d+)\n", process)


def said(log, pattern, process):
    """Wait for what a program says when it is there."""
    end = time.monotonic() + START
    while not (found := re.search(pattern, log.read_text())):
        if process.poll() is not None or time.monotonic() > end:
            raise Missing(f"{process.args[0]} does not start here: {log.read_text()[-500:]}")
        time.sleep(0.05)
    return found[1]
