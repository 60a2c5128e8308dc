"""Networks in a real Chromium, by each provider of onnxruntime-web."""

import functools
import http.server
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bodylens_models import store
from bodylens_models.catalogue.entry import Entry

PAGE = Path(__file__).with_name("page.mjs")
DOCUMENT = (
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    '<script type="module" src="/page.mjs"></script>'
)
START = """([provider, url, spec, runs]) => {
  measure(provider, url, spec, runs).then((found) => (globalThis.found = found));
}"""
FLAGS = ["--no-sandbox", "--enable-unsafe-webgpu", "--ignore-gpu-blocklist"]


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves three things: the page, onnxruntime-web, and models of the cache."""

    def __init__(self, *args: Any, ort: Path, **kwargs: Any) -> None:
        self.ort = ort
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        """The file that an address of ours means."""
        kind, _, name = path.lstrip("/").partition("?")[0].partition("/")
        plain = Path(name).name
        folders = {"ort": self.ort, "onnx": store.cache_folder() / "onnx", "page.mjs": PAGE.parent}
        return str(folders.get(kind, PAGE.parent) / (plain or kind))

    def do_GET(self) -> None:
        """An empty document at the root, files elsewhere."""
        if self.path != "/":
            super().do_GET()
            return
        body = DOCUMENT.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def guess_type(self, path: Any) -> str:
        """Module scripts and wasm need their types."""
        types = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return types.get(Path(str(path)).suffix, "application/octet-stream")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Browser:
    """A Chromium that measures."""

    def __init__(self, browser: Any, address: str) -> None:
        self._browser = browser
        self._address = address

    def measure(self, entry: Entry, provider: str, runs: int, limit_s: float) -> dict[str, Any]:
        """{"state": right | wrong | refused | failed | too slow, "ms": median, "why": …} for a model that is ready."""
        path = store.path(entry.name, entry.variant)
        page = self._browser.new_page()
        page.set_default_timeout(limit_s * 1000)
        try:
            page.goto(self._address)
            page.wait_for_selector("html[data-ready]", state="attached")
            page.evaluate(START, [provider, f"/onnx/{path.name}", store.page_spec(entry), runs])
            end = time.monotonic() + limit_s
            while time.monotonic() < end:
                result = page.evaluate("() => globalThis.found ?? null")
                if result is not None:
                    return dict(result)
                time.sleep(0.1)
        except Exception as error:  # playwright's errors: the tab died or does not answer
            return {"state": "failed", "why": str(error).splitlines()[0]}
        else:
            return {"state": "too slow", "why": f"no answer within {limit_s:.0f} s"}
        finally:
            page.close()


@contextmanager
def chromium(ort: Path) -> Iterator[Browser]:
    """A Chromium with onnxruntime-web from the folder `ort`."""
    from playwright.sync_api import sync_playwright

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, ort=ort))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    installed = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
            try:
                yield Browser(browser, f"http://127.0.0.1:{server.server_address[1]}/")
            finally:
                browser.close()
    finally:
        server.shutdown()
        server.server_close()
