"""How fast the page is: first masks, cold and warm, and what a frame costs, stage by stage. Run by scripts/bench.

Each figure is the median of several visits. Times to the first mask count from navigation. On a machine without a GPU,
drawing is software and shares the processor with everything else: it is told apart.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserType, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
STAGES = ["crop", "ahead", "network", "mask", "python", "journey", "draw", "present", "total", "overhead"]


def first_mask(page: Page, address: str) -> dict[str, float]:
    """Open the page and give its own times, in milliseconds from navigation."""
    page.goto(address)
    page.wait_for_selector("html[data-state=running]", state="attached", timeout=120_000)
    found: dict[str, float] = page.evaluate("bodylens.stats().startup")
    return found


def settled(page: Page, seconds: float) -> dict[str, object]:
    """Let it run, and give the statistics of the last frames, with the long tasks of that time."""
    page.evaluate(
        """() => {
          globalThis.longest = 0;
          new PerformanceObserver((list) => {
            for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
          }).observe({ type: "longtask" });
        }"""
    )
    page.wait_for_timeout(1000 * seconds)
    return {**page.evaluate("bodylens.stats()"), "longest": page.evaluate("longest")}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--model", default="selfie-general")
    arguments = parser.parse_args()
    program = next((p for name in ("chromium", "google-chrome") if (p := shutil.which(name))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "log.txt"
        server = subprocess.Popen(
            [sys.executable, "-m", "bodylens_server.command", "serve", "--port", "0"],
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
        )
        try:
            while not (found := re.search(r"http://localhost:\d+", log.read_text())):
                assert server.poll() is None, log.read_text()
            measure(playwright.chromium, program, found[0], arguments, Path(folder))
        finally:
            server.terminate()
            server.wait()


def measure(kind: BrowserType, program: str | None, address: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Make the visits."""
    link = f"{address}/?source=sample&backend=wasm&model={arguments.model}"
    cold, warm = [], []
    for visit in range(arguments.visits):
        profile = folder / f"profile-{visit}"
        for times in (cold, warm):
            context = kind.launch_persistent_context(str(profile), executable_path=program, args=FLAGS)
            page = context.new_page()
            times.append(first_mask(page, f"{link}&effect=mask"))
            page.wait_for_timeout(4000)  # so that the snapshot is kept before the browser goes
            context.close()
    print(f"first result, ms from navigation, {arguments.model}, wasm; median of {arguments.visits} (network, Python)")
    for name, times in (("cold", cold), ("warm", warm)):
        middle = {key: statistics.median(t[key] for t in times) for key in ("firstResult", "ready", "python")}
        print(f"  {name}: {middle['firstResult']:.0f} ({middle['ready']:.0f}, {middle['python']:.0f})")
    context = kind.launch_persistent_context(str(folder / "profile-0"), executable_path=program, args=FLAGS)
    page = context.new_page()
    print("a frame, median ms a stage")
    print("  " + " ".join(f"{name:>9}" for name in ["", *STAGES, "fps", "long task"]))
    for name, query in (
        ("none", f"{link}&effect=none"),
        ("mask", f"{link}&effect=mask"),
        ("blur", f"{link}&effect=blur"),
        ("camera", f"{link.replace('sample', 'camera')}&effect=mask"),
    ):
        first_mask(page, query)
        page.wait_for_timeout(2000)  # warm: every buffer has been made
        before = page.evaluate("bodylens.stats()")
        stats = settled(page, arguments.seconds)
        latency = stats["latency"]
        row = [
            *(f"{latency.get(stage, 0):9.2f}" for stage in STAGES),
            f"{stats['fps']:9.1f}",
            f"{stats['longest']:9.0f}",
        ]
        print("  " + " ".join([f"{name:>9}", *row]))
        share = latency["overhead"] / latency["network"]
        frames = stats["frames"]["out"] - before["frames"]["out"]
        for whose, now, then in (
            ("the engine's wasm", stats["heap"], before["heap"]),
            ("Python's", stats["python"]["heap"], before["python"]["heap"]),
            ("the page's", stats["pageHeap"], before["pageHeap"]),
        ):
            print(f"{'':12}{whose} heap, {now / 1e6:.1f} MB, grew by {now - then} bytes in {frames} frames")
        print(f"{'':12}overhead / network = {share:.0%}; frames {json.dumps(stats['frames'])}")
    context.close()


if __name__ == "__main__":
    main()
