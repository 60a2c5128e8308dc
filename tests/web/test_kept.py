"""A server on another machine, then no server: what a visit used is there for the next one, on a phone too."""

import json
import re
import subprocess
import sys
import time

import pytest
from drawn import frames_out, snapshot
from waiting import until

# A name that Chromium takes for another machine with https, though it is this one.
NAME = "bodylens.test"
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
START = 300
KEPT = """(async () => {
  const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
  return (await Promise.all(caches_.map((cache) => cache.keys()))).flat().map(({ url }) => url);
})"""


class Served:
    """A server of its own, which can be stopped and started again on the same port."""

    def __init__(self, log):
        self.log = log
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        command = [sys.executable, "-m", "bodylens_server.command", "serve", "--port", str(self.port)]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--models", "selfie-general", "blazepose-lite", "--log", "json"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + START
        while not (found := re.search(r"http://localhost:(\d+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=120) == 0


@pytest.fixture
def served(tmp_path):
    started = Served(tmp_path / "log.txt")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


@pytest.fixture
def open_browser(chromium, served):
    """Open Chromium for which the server is another machine, with this device's storage: `open_browser(**context)`."""
    kind, program = chromium
    address = f"http://{NAME}:{served.port}"
    browser = kind.launch(
        executable_path=program,
        args=[
            "--no-sandbox",
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
            f"--unsafely-treat-insecure-origin-as-secure={address}",
        ],
    )

    def open_browser(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(120_000)
        return context, address

    yield open_browser
    browser.close()


@pytest.mark.parametrize("options", [{}, PHONE], ids=["computer", "phone"])
def test_after_one_visit_the_page_works_with_the_server_stopped(open_browser, served, wait_state, options):
    context, address = open_browser(**options)
    page = context.new_page()
    page.goto(f"{address}/?source=sample&backend=wasm")
    wait_state(page, "running", timeout=120)
    page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    page.close()
    served.stop()

    page = context.new_page()
    page.goto(f"{address}/?source=sample&backend=wasm&effect=color&color=%230000ff")
    wait_state(page, "running", timeout=120)
    assert page.evaluate("[isSecureContext, crossOriginIsolated]") == [True, True]
    image = snapshot(page)
    blue = (abs(image[..., :3].astype(int) - (0, 0, 255)) < 30).all(axis=2).mean()
    assert 0.1 < blue < 0.9, "the background is blue, the person is not"
    # The policy that holds everything in came along with the page.
    assert page.evaluate("fetch('https://example.com').then(() => 'out', () => 'held')") == "held"
    page.wait_for_selector("#offline:not([hidden])", state="attached")
    assert "Kept for visits without a network" in page.text_content("#offline-kept")


def test_every_network_that_a_visit_came_to_is_kept(open_browser, served, wait_state):
    context, address = open_browser()
    page = context.new_page()
    page.goto(f"{address}/?source=sample&backend=wasm&model=blazepose-lite")  # whose detector comes second
    wait_state(page, "running", timeout=120)
    page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    page.evaluate("bodylens.settings.set('model', 'selfie-general')")  # and another model, later
    until(page, f"{KEPT}().then((urls) => urls.some((url) => url.includes('/selfie-general')))")
    page.close()
    served.stop()

    page = context.new_page()
    for model in ("blazepose-lite", "selfie-general"):
        page.goto(f"{address}/?source=sample&backend=wasm&model={model}")
        wait_state(page, "running", timeout=120)
        until(page, "bodylens.latest()?.people.length === 1")


def test_a_server_that_is_there_is_asked_first(open_browser, served, wait_state):
    context, address = open_browser()
    page = context.new_page()
    page.goto(f"{address}/?source=sample&backend=wasm")
    wait_state(page, "running", timeout=120)
    page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    page.reload()
    wait_state(page, "running", timeout=120)
    assert page.evaluate("navigator.serviceWorker.controller !== null")

    def asked():
        lines = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
        return [line["path"] for line in lines]

    before = len(asked())
    page.reload()
    wait_state(page, "running", timeout=120)
    # Nothing but what may change came from the server; all else was kept.
    assert "/" in asked()[before:]
    assert not [path for path in asked()[before:] if re.search(r"[/.][0-9a-f]{8}[/.]", path)]


def test_on_its_own_machine_nothing_is_kept(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    frames_out(opened.page, 20)
    assert opened.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
