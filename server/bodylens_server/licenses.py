"""Whose work a site redistributes and under which licence: the pages below licenses/, and `bodylens licenses`.

The texts come with what is installed, the page's packages and the wheels; those that no package brings lie beside this
file, in licenses/.
"""

import argparse
import html
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from bodylens_models import catalogue
from bodylens_server import checkout, wheels
from bodylens_server.errors import Failure
from bodylens_server.resource import Resource, from_bytes
from bodylens_server.wheels import Wheel

HERE = Path(__file__).parent / "licenses"
INDEX, NOTICE, STYLE = "licenses.html", "NOTICE.txt", "licenses.css"
CSS = "body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }\n"
CSS = f":root {{ color-scheme: light dark }}\n{CSS}dd {{ margin: 0 0 1rem }}\ndt {{ font-weight: 600 }}\n"
OWN_PAGES = ("", "index.html", "integrity.json", "sw.js", "sw-live.js")
# What onnxruntime-web's bundles contain of other npm packages.
BUNDLED = ["onnxruntime-common", "flatbuffers", "long", "platform", "protobufjs"]


@dataclass(frozen=True)
class Component:
    """A work that a site contains.

    licence: SPDX. source: where its source is. note: what was done to it. texts: file name to text.
    covers: patterns of addresses on the site, with * for any part.
    """

    name: str
    version: str
    licence: str
    source: str
    covers: tuple[str, ...]
    texts: dict[str, bytes]
    note: str = ""


def kept(*names: str) -> dict[str, bytes]:
    """Return texts that lie beside this file."""
    return {f"{name}.txt": (HERE / f"{name}.txt").read_bytes() for name in names}


def npm_version(package: str) -> str:
    """Return the version of an installed npm package, "" where it is not installed."""
    try:
        return str(json.loads((checkout.NODE_MODULES / package / "package.json").read_bytes())["version"])
    except FileNotFoundError:
        return ""


def npm_texts(*packages: str) -> dict[str, bytes]:
    """Return the licences in installed npm packages; those that are not installed, or have none, are left out."""
    found = {}
    for package in packages:
        path = checkout.NODE_MODULES / package / "LICENSE"
        if path.exists():
            found[f"{package.replace('/', '-').lstrip('@')}.txt"] = path.read_bytes()
    return found


def wheel_texts(path: Path | None) -> dict[str, bytes]:
    """Return all licences in a wheel."""
    if path is None or not zipfile.is_zipfile(path):
        return {}
    name = path.name.split("-")[0]
    found = {}
    with zipfile.ZipFile(path) as archive:
        for inner in archive.namelist():
            folder, _, rest = inner.partition(".dist-info/licenses/")
            if rest and "/" not in folder:
                found[f"{name}-{Path(rest).with_suffix('').as_posix().replace('/', '-')}.txt"] = archive.read(inner)
    return found


def onnxruntime_texts() -> dict[str, bytes]:
    """Return the licence of onnxruntime and its notices of third parties, from the package of the same project."""
    try:
        package = distribution("onnxruntime")
    except PackageNotFoundError:
        return {}
    files = {"onnxruntime.txt": "onnxruntime/LICENSE", "onnxruntime-notices.txt": "onnxruntime/ThirdPartyNotices.txt"}
    paths = {name: Path(str(package.locate_file(inner))) for name, inner in files.items()}
    return {name: path.read_bytes() for name, path in paths.items() if path.exists()}


def components(packages: Sequence[Wheel] = ()) -> list[Component]:
    """Return all that a site may contain; the texts of wheels are read from `packages` and from the checkout."""
    found = {wheel.name: wheel for wheel in packages}
    numpy = next(iter(sorted(checkout.WHEELS.glob("numpy-*.whl"))), None)
    micropip = found["micropip"].path if "micropip" in found else None
    apache = kept("Apache-2.0")
    listed = [
        Component(
            "bodylens",
            version("bodylens"),
            "Apache-2.0",
            "this site: it runs as it was written",
            (*OWN_PAGES, "app/*", "pyodide/*/bodylens-*", "models/*/catalogue.json", "licenses/*"),
            apache,
        ),
        Component(
            "Astronaut (sample picture)",
            "",
            "public domain",
            "NASA; portrait of Eileen Collins",
            ("app/*/samples/astronaut.jpg",),
            {},
        ),
        Component(
            "onnxruntime-web",
            npm_version("onnxruntime-web"),
            "MIT",
            "https://github.com/microsoft/onnxruntime",
            ("ort/*",),
            {**onnxruntime_texts(), **npm_texts(*BUNDLED, *protobufjs()), **kept("guid-typescript", "emscripten")},
            "its wasm files contain parts of Emscripten and of the works that its notices name",
        ),
        Component(
            "Pyodide",
            npm_version("pyodide"),
            "MPL-2.0",
            f"https://github.com/pyodide/pyodide/tree/{npm_version('pyodide') or 'main'}",
            ("pyodide/*/pyodide*",),
            kept("MPL-2.0", "emscripten", "musl", "llvm", "linked-libraries"),
            "pyodide.asm.wasm contains CPython, Emscripten's libraries and the libraries that are listed",
        ),
        Component(
            "CPython",
            "3.14",
            "PSF-2.0",
            "https://github.com/python/cpython/tree/3.14",
            ("pyodide/*/python_stdlib*",),
            kept("cpython", "cpython-incorporated"),
            "its standard library, compiled; parts that a page does not need at its start are in a file of their own",
        ),
        Component(
            "NumPy",
            numpy.name.split("-")[1] if numpy else "",
            "BSD-3-Clause",
            "https://github.com/numpy/numpy",
            ("pyodide/*/numpy*",),
            wheel_texts(numpy),
            "compiled for Pyodide, without its tests",
        ),
        Component(
            "micropip",
            wheels.MICROPIP,
            "MPL-2.0",
            f"https://github.com/pyodide/micropip/tree/{wheels.MICROPIP}",
            ("pyodide/*/micropip*",),
            {**kept("MPL-2.0"), **wheel_texts(micropip)},
        ),
        Component(
            "three.js",
            npm_version("three"),
            "MIT",
            "https://github.com/mrdoob/three.js",
            ("three/*",),
            npm_texts("three"),
        ),
    ]
    for entry in catalogue.entries().values():
        patterns = (f"models/{entry.name}.*", f"models/{entry.name}+*")
        note = f"{entry.credit}; converted to ONNX"
        listed.append(Component(entry.name, "", entry.licence, entry.card, patterns, apache, note))
    return listed


def protobufjs() -> list[str]:
    """Name the packages that protobufjs is made of."""
    return sorted(f"@protobufjs/{path.name}" for path in (checkout.NODE_MODULES / "@protobufjs").glob("*"))


def owner(address: str, listed: Iterable[Component]) -> Component | None:
    """Return whose work is at an address: of several whose patterns match, the most exact one says."""
    address = address.removesuffix(".gz")
    matching = [(len(p), n, one) for n, one in enumerate(listed) for p in one.covers if fnmatch(address, p)]
    return max(matching)[2] if matching else None


def line(component: Component) -> str:
    """Return a component in one line."""
    name = f"{component.name} {component.version}".strip()
    return f"{name}: {component.licence}; {component.source}" + (f" ({component.note})" if component.note else "")


def notice(listed: Iterable[Component]) -> str:
    """Return the text of NOTICE: every component, and the files with its licence."""
    head = "bodylens contains the works of others, each under its own licence.\n"
    return head + "".join(
        f"\n{line(component)}\n" + "".join(f"  {name}\n" for name in sorted(component.texts)) for component in listed
    )


def page(listed: Iterable[Component]) -> str:
    """Return the page that shows the same with links."""
    rows = []
    for component in listed:
        name, _, rest = line(component).partition(": ")
        links = ", ".join(f'<a href="{text}">{text.removesuffix(".txt")}</a>' for text in sorted(component.texts))
        rows.append(f"<dt>{html.escape(name)}</dt>\n<dd>{html.escape(rest)}{links and '<br />'}{links}</dd>\n")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        '<meta name="viewport" content="width=device-width" />\n<title>Licenses · bodylens</title>\n'
        f'<link rel="stylesheet" href="{STYLE}" />\n</head>\n<body>\n<h1>Licenses</h1>\n'
        f'<p>bodylens contains the works of others, each under its own licence. <a href="{NOTICE}">As text</a></p>\n'
        f"<dl>\n{''.join(rows)}</dl>\n</body>\n</html>\n"
    )


def tree(listed: Sequence[Component]) -> dict[str, Resource]:
    """Return the folder licenses/ of a site; a Failure where a text is missing."""
    for component in listed:
        if not component.texts and component.licence != "public domain":
            way = f"run `npm ci --omit=dev` in {checkout.WEB}, or scripts/serve"
            raise Failure(f"the licence of {component.name} is missing: {way}")
    files = {name: from_bytes(data, ".txt") for component in listed for name, data in component.texts.items()}
    files[NOTICE] = from_bytes(notice(listed).encode(), ".txt")
    files[INDEX] = from_bytes(page(listed).encode(), ".html")
    files[STYLE] = from_bytes(CSS.encode(), ".css")
    return files


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command."""
    parser = commands.add_parser("licenses", help="list whose works the page contains, and their licences")
    parser.add_argument("--full", action="store_true", help="print the licences as well")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list, with --full each text once."""
    micropip = wheels.cached_micropip()
    listed = components([Wheel(micropip)] if micropip else [])
    print(notice(listed), end="")
    if arguments.full:
        for name, text in sorted({name: text for one in listed for name, text in one.texts.items()}.items()):
            print(f"\n{'=' * 100}\n{name}\n{'=' * 100}\n\n{text.decode('utf-8', 'replace')}")
    return 0
