"""What a first visit costs on a slow network: bytes by part, and seconds to the first drawn mask, with nothing cached.

The server is real, its compressed files are ready, and between it and Chromium lies `slow_link.py`.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright
from slow_link import DOWN, ROUND_TRIP, SlowLink

MODELS = ["selfie-landscape", "selfie-general"]
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-quic"]
PARTS = {"app": "page", "ort": "onnxruntime-web", "pyodide": "Python and numpy", "models": "model", "": "front page"}


def start():
    """Start a server; give the process, its address and the list that its log is read into."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bodylens_server.command", "serve", "--port", "0", "--log", "json", "--models", *MODELS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    entries = []
    threading.Thread(target=lambda: entries.extend(map(json.loads, process.stderr)), daemon=True).start()
    told = ""
    while not (found := re.search(r"http://localhost:\d+", told)):
        line = process.stdout.readline()
        assert line, told
        told += line
    return process, found[0], entries


def wait_compressed(address):
    """Wait until the large files are there as small as they get: a first start makes them in the background."""
    text = urllib.request.urlopen(address).read().decode()
    told = {name: re.search(rf"&quot;{name}&quot;: &quot;([^&]*)&quot;", text)[1] for name in ("ort", "pyodide")}
    for path in (told["ort"] + "ort-wasm-simd-threaded.wasm", told["pyodide"] + "pyodide.asm.wasm"):
        asked = urllib.request.Request(f"{address}/{path}", method="HEAD", headers={"accept-encoding": "br"})
        while "best" not in urllib.request.urlopen(asked).headers["etag"]:
            time.sleep(1)


def visit(kind, program, link, query):
    """Open the page with an empty profile; give milliseconds from navigation as the page counts them."""
    browser = kind.launch(executable_path=program, args=FLAGS)
    try:
        page = browser.new_page()
        page.goto(f"{link.address}/{query}", timeout=120_000)
        page.wait_for_selector("html[data-state=running]", state="attached", timeout=600_000)
        return page.evaluate("bodylens.stats().startup")
    finally:
        browser.close()


def main():
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    program = next((p for name in ("chromium", "google-chrome") if (p := shutil.which(name))), None)
    process, address, entries = start()
    try:
        wait_compressed(address)
        print(f"{DOWN * 8 / 1e6:.1f} Mbit/s down, round trip {1000 * ROUND_TRIP:.0f} ms, nothing cached, wasm")
        with sync_playwright() as playwright:
            for model in arguments.models:
                with SlowLink(urlsplit(address).port) as link:
                    entries.clear()
                    startup = visit(playwright.chromium, program, link, f"?source=sample&backend=wasm&model={model}")
                    carried = link.down.carried
                sizes, files = Counter(), Counter()
                for entry in list(entries):
                    part = PARTS.get(entry["path"].split("/")[1], "other")
                    sizes[part] += entry["bytes"]
                    files[part] += 1
                print(f"\n{model}: first mask {startup['firstResult'] / 1000:.1f} s after navigation")
                for part, size in sizes.most_common():
                    print(f"  {part:18}{files[part]:4} files{size / 1e3:9.0f} kB{size / DOWN:7.1f} s of the link")
                print(f"  {'with all headers':18}{'':10}{carried / 1e3:9.0f} kB{carried / DOWN:7.1f} s of the link")
                print(f"  network ready {startup['ready'] / 1000:.1f} s, Python ready {startup['python'] / 1000:.1f} s")
                largest = sorted(entries, key=lambda entry: -entry["bytes"])[:8]
                print("  " + ", ".join(f"{e['path'].split('/')[-1]} {e['bytes'] / 1e3:.0f} kB" for e in largest))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
