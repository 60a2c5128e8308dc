"""Print the report: python -m bodylens_models.report [--no-browser] [NAME…]."""

import argparse
import platform
import sys
from pathlib import Path
from typing import Any

import onnxruntime

from bodylens_models import catalogue, store
from bodylens_models.catalogue.entry import Entry
from bodylens_models.convert.error import ConversionError
from bodylens_models.progress import size
from bodylens_models.report.browser import Browser, chromium
from bodylens_models.report.native import count

ORT = Path(__file__).parents[3] / "web" / "node_modules" / "onnxruntime-web" / "dist"
# Other weights for the same network; what needs a graphics processor; and what rounds between layers, where sums that
# differ in the last bit round apart.
LEFT_OUT = ("webgl", "any-size", "half", "exact")
TITLES = (
    "model",
    "source",
    "ONNX",
    "brotli",
    "parameters",
    "MACs",
    "nodes",
    "native ms",
    "wasm ms",
    "wasm",
    "webgpu",
    "webgl",
)


def main(words: list[str] | None = None) -> int:
    """Measure and print; 1 when a model could not be measured."""
    parser = argparse.ArgumentParser(prog="models-report", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these models")
    parser.add_argument("--no-browser", action="store_true", help="only what needs no Chromium")
    parser.add_argument("--quick", action="store_true", help="wasm alone; without a GPU the other providers are slow")
    args = parser.parse_args(words)
    _heading()
    if args.no_browser:
        return _rows(args.names, None, quick=True)
    with chromium(ORT) as browser:
        return _rows(args.names, browser, quick=args.quick)


HEADING = """# What each network costs

Printed by `scripts/models-report` on {processor}; onnxruntime {version} natively, onnxruntime-web in Chromium for wasm.
Times are those of one run of the network alone, on one thread: the median of the fastest third of the runs, for other
work on the machine only ever slows a run. *source*: bytes to fetch; *brotli*: bytes that the page loads; *nodes*:
operators left once loaded; *MACs*: multiply-adds of the convolutions of one run.

A provider runs a network **whole** (✓) when no operator falls back to the CPU and the self-check's answers come out
right; *parts*: some operators would run on the CPU, or are refused; ✗: wrong, and so never used. WebGL is asked with
the variant `webgl`, where there is one. Without a graphics processor, WebGPU and WebGL are computed by software: that
says whether the answers are right, nothing about speed.
"""


def _heading() -> None:
    print(HEADING.format(processor=_processor(), version=onnxruntime.__version__))
    print("| " + " | ".join(TITLES) + " |")
    print("| --- |" + " ---: |" * 8 + " --- | --- | --- |", flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "this machine"


def _rows(names: list[str], browser: Browser | None, *, quick: bool) -> int:
    missed = []
    for name, whole in catalogue.entries().items():
        if names and name not in names:
            continue
        if store.state(name).state == "unavailable":
            missed.append((name, store.state(name).why))
            continue
        for variant in (None, *(v for v in whole.variants if v not in LEFT_OUT)):
            try:
                print(_row(whole.as_variant(variant), browser, quick=quick), flush=True)
            except (store.ModelUnavailable, ConversionError) as error:
                missed.append((name, str(error)))
    for name, why in missed:
        print(f"\n{name} was not measured: {why}")
    return 1 if missed and names else 0


def _row(entry: Entry, browser: Browser | None, *, quick: bool) -> str:
    path = store.ensure(entry.name, entry.variant)
    numbers = count(path, entry)
    cells = [
        entry.label,
        size(entry.source.bytes),
        size(numbers.bytes),
        size(numbers.brotli),
        f"{numbers.parameters / 1e6:.2f} M",
        f"{numbers.macs / 1e6:.0f} M",
        str(numbers.nodes),
        f"{numbers.ms:.1f}",
    ]
    if browser is None:
        return "| " + " | ".join([*cells, *[""] * 4]) + " |"
    wasm = browser.measure(entry, "wasm", 25, 120)
    cells += [f"{wasm['ms']:.1f}" if wasm.get("ms") else "", _word(wasm)]
    main = entry.variant in (None, "heads") and not quick
    cells.append(_word(browser.measure(entry, "webgpu", 0, 150)) if main else "")
    if main and "webgl" in entry.variants:
        lean = catalogue.entry(entry.name, "webgl")
        store.ensure(entry.name, "webgl")
        cells.append(_word(browser.measure(lean, "webgl", 0, 150)))
    elif main:
        # Weights are float32 already.
        cells.append(_word(browser.measure(entry, "webgl", 0, 150)))
    else:
        cells.append("")
    return "| " + " | ".join(cells) + " |"


def _word(result: dict[str, Any]) -> str:
    print({k: v for k, v in result.items() if k != "ms"}, file=sys.stderr, flush=True)
    return {"right": "✓", "wrong": "✗", "refused": "parts"}.get(str(result["state"]), str(result["state"]))


if __name__ == "__main__":
    sys.exit(main())
