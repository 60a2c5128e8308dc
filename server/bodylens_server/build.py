"""`bodylens build`: the site as a folder that any static host can serve, also below a path and without own headers.

The folder holds the map that the live server has, and three files at fixed addresses: `index.html`, the service worker
`sw.js`, and `integrity.json`: the sha256, size and media type of every other file, with the headers that the service
worker puts on each. `sw.js` carries the sha256 of `integrity.json`, so that one file vouches for all.

Many static hosts compress nothing, or not what they take for binary. So what the page loads after the service worker is
there lies in the folder gzipped as well, and the service worker inflates it; the plain file serves browsers without
one. A file that is too large for common static hosts is there gzipped alone.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bodylens_models import catalogue, store
from bodylens_models.convert.error import ConversionError
from bodylens_models.progress import Terminal
from bodylens_server import cache, checkout, wheels
from bodylens_server.app import HEADERS
from bodylens_server.encoding import Encodings
from bodylens_server.errors import Failure
from bodylens_server.resource import Resource, from_bytes, from_file
from bodylens_server.site import INTEGRITY, Site, describe

# What a visit may choose.
MODELS = ["selfie-general", "selfie-landscape", "blazepose-lite", "blazepose-full", "movenet-lightning"]
LIMIT = 25 << 20  # bytes; what common static hosts allow a file
WORKER = "sw.js"
INFLATED = {("ort", ".wasm"), ("models", ".onnx")}  # what the engine inflates where there is no service worker
SMALL = 1 << 15  # bytes; below it another file is not worth its place

Files = Mapping[str, Resource]


@dataclass(frozen=True)
class Part:
    """A line of the size report, in bytes: the folder's, the contents', and those that come over the wire.

    folder: what the host keeps, plain and gzipped. size: each content once, plain. packed: each once, as it is sent.
    """

    name: str
    files: int
    folder: int
    size: int
    packed: int


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command."""
    parser = commands.add_parser("build", help="write the page as a folder for any static host")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder: a new or empty one, or an earlier build")
    parser.add_argument(
        "--models",
        nargs="+",
        default=MODELS,
        metavar="NAME",
        help=(
            f"the models that the site has (default: {' '.join(MODELS)}). A name stands for what its usual options "
            "need; a form that only others need is named beside it: movenet-multipose movenet-multipose+any-size"
        ),
    )
    parser.set_defaults(run=run)


def pack(files: Files, limit: int) -> tuple[dict[str, Resource], dict[str, Resource]]:
    """Return the files with the gzipped ones among them, and those that are there gzipped alone."""
    encodings = Encodings(static=True)
    packed, absent = {}, {}
    for name, resource in files.items():
        folder = name.split("/")[0]
        smaller = None
        # The page itself comes before there is a service worker: a second form would only be loaded once more.
        if folder != "app" and resource.size >= SMALL:
            encodings.make(resource, "gzip")
            if encodings.size(resource, "gzip"):
                smaller = packed[f"{name}.gz"] = from_file(encodings.path(resource, "gzip"))
        if resource.size <= limit:
            packed[name] = resource
            continue
        absent[name] = resource
        size = smaller.size if smaller else resource.size
        if size > limit or (folder, resource.suffix) not in INFLATED:
            raise Failure(
                f"{name} has {resource.size / 1e6:.1f} MB, gzipped {size / 1e6:.1f}, and static hosts allow "
                f"{limit / 1e6:.1f}: choose other models with --models"
            )
    return packed, absent


def collect(site: Site, limit: int = LIMIT) -> dict[str, Resource]:
    """Return every file of the static site by its path."""
    files, absent = pack(site.folders, limit)
    files["index.html"] = site.front_page({**site.addresses, "worker": WORKER, "gzipped": sorted(absent)})
    # All that the page needs before it knows which model and which provider it will use.
    app = site.addresses["app"]
    core = ["index.html", site.addresses["catalogue"], *(name for name in files if name.startswith(app))]
    integrity = {
        "name": "bodylens",
        "version": site.addresses["version"],
        "headers": HEADERS,
        "core": sorted(core),
        "files": describe(files),
        "inflated": describe(absent),
    }
    files[INTEGRITY] = from_bytes(json.dumps(integrity, indent=1).encode(), ".json")
    worker = (site.web / WORKER).read_text(encoding="utf-8")
    files[WORKER] = from_bytes(worker.replace("{{integrity}}", files[INTEGRITY].sha256).encode(), ".js")
    return files


def earlier(out: Path) -> list[str]:
    """Return the files that an earlier build wrote there. Any other folder with something in it is a Failure."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return []
    try:
        integrity = json.loads((out / INTEGRITY).read_text(encoding="utf-8"))
        if integrity["name"] != "bodylens":
            raise ValueError
        names = [*integrity["files"], INTEGRITY, WORKER]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{out} is not empty and no earlier build: choose another folder, or empty it") from error
    inside = out.resolve()
    return [name for name in names if (out / name).resolve().is_relative_to(inside)]


def write(files: Files, out: Path) -> None:
    """Write the folder, and remove what an earlier build left there. Files of other origin (CNAME …) stay."""
    old = earlier(out)
    # What names others comes after them: a host that copies the folder meanwhile never serves a dead link.
    for name in sorted(files, key=lambda name: (name in (WORKER, INTEGRITY), name == "index.html", name)):
        target = out / name
        if not target.exists() or hashlib.sha256(target.read_bytes()).hexdigest() != files[name].sha256:
            cache.write_whole(target, files[name].read())
    for name in old:
        if name not in files:
            (out / name).unlink(missing_ok=True)
            for folder in (out / name).parents:
                if folder == out:
                    break
                with suppress(OSError):  # something is left in it
                    folder.rmdir()


def wire(files: Files, name: str) -> int:
    """Return the bytes that come over the wire for a content, from a host that compresses nothing."""
    return (files.get(f"{name}.gz") or files[name]).size


def measure(files: Files) -> list[Part]:
    """Return the sizes by part: the first folder of each path."""
    titles = {"app": "page", "licenses": "licences", "ort": "onnxruntime-web", "pyodide": "Python", "three": "three.js"}
    inflated = json.loads(files[INTEGRITY].read())["inflated"]
    found: dict[str, list[tuple[int, int, int, int]]] = {}
    for name, resource in files.items():
        title = titles.get(name.split("/")[0], name.split("/")[0]) if "/" in name else "page"
        plain = name.removesuffix(".gz")
        if plain == name:
            counts = (1, resource.size, resource.size, wire(files, name))
        elif plain in files:
            counts = (1, resource.size, 0, 0)
        else:
            counts = (1, resource.size, inflated[plain]["bytes"], resource.size)
        found.setdefault(title, []).append(counts)
    return [Part(title, *map(sum, zip(*sizes, strict=True))) for title, sizes in sorted(found.items())]


def first_visit(files: Files, model: str) -> int:
    """Return the bytes of a first visit with this model on a processor, from a host that compresses nothing."""
    core = json.loads(files[INTEGRITY].read())["core"]
    runtime = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
    wanted = {*core, INTEGRITY, WORKER}
    for name in (name.removesuffix(".gz") for name in files):
        folder, _, file = name.partition("/")
        if (
            (folder == "pyodide" and "/micropip" not in name and "_later" not in name)
            or (folder == "ort" and name.split("/")[-1] in runtime)
            or (folder == "models" and file.startswith(f"{model}."))
        ):
            wanted.add(name)
    return sum(wire(files, name) for name in wanted)


def report(parts: Sequence[Part]) -> str:
    """Return the table of sizes."""
    total = Part("all", *(sum(getattr(part, key) for part in parts) for key in ("files", "folder", "size", "packed")))
    lines = [f"  {'part':16}{'files':>6}{'on the host':>13}{'plain':>8}{'sent':>8}   MB"]
    for part in [*parts, total]:
        sizes = f"{part.folder / 1e6:>13.1f}{part.size / 1e6:>8.1f}{part.packed / 1e6:>8.1f}"
        lines.append(f"  {part.name:16}{part.files:>6}{sizes}")
    return "\n".join(lines)


def make_ready(names: Sequence[str]) -> None:
    """Fetch and convert models. One that cannot be had ends the build: the site would lack what was asked for."""
    display = Terminal()
    try:
        for label in catalogue.together(names):
            name, _, variant = label.partition("+")
            store.ensure(name, variant or None, progress=display)
    except ConversionError as error:
        raise Failure(str(error)) from error
    finally:
        display.close()


def run(arguments: argparse.Namespace) -> int:
    """Write the folder."""
    checkout.require()
    out: Path = arguments.out
    earlier(out)  # before the work, not after it
    make_ready(arguments.models)
    files = collect(Site(wheels.build(), models=catalogue.together(arguments.models)))
    write(files, out)
    print(f"\n  bodylens is in {out}: {len(files)} files for any static host.\n\n{report(measure(files))}\n")
    largest = max(files, key=lambda name: files[name].size)
    print(f"  A first visit with {arguments.models[0]} loads {first_visit(files, arguments.models[0]) / 1e6:.1f} MB.")
    print(f"  The largest file is {largest}: {files[largest].size / 1e6:.1f} MB, and hosts allow {LIMIT / 1e6:.1f}.")
    print(f"  sha256 of {INTEGRITY}, which holds that of every file: {files[INTEGRITY].sha256}")
    print(f"  Try it: python3 -m http.server --bind 127.0.0.1 --directory {out}")
    return 0
