"""Which address shows what: the one map that the live server and a static build share.

Every folder lies below a hash of its content: what is there never changes, so browsers may keep it for ever, and
relative imports inside it still work. Only the front page has a fixed address. It tells the page where the rest is:
`{{app}}` becomes the application's folder, without a slash at its end, `{{licenses}}` the page of licences, and
`{{site}}` the JSON of all addresses, those of folders with a slash at their end. All are relative to the page, for the
site may lie below any path. The addresses of the models are relative to the catalogue, which names them.
"""

import hashlib
import html
import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bodylens_models import catalogue, store
from bodylens_server import checkout, licenses, lock
from bodylens_server.errors import Failure
from bodylens_server.resource import MEDIA_TYPES, Resource, from_bytes, from_file
from bodylens_server.wheels import STANDARD_LIBRARY, PythonFiles

# In web/, what the browser never asks for: installed packages, the sources of wheels, and what configures the checks.
NOT_SERVED = {"node_modules", "wheels", "package.json", "package-lock.json", "tsconfig.json", "eslint.config.js"}
# Service workers lie at the root, for what one controls lies below its own address.
KEEPER, INTEGRITY = "sw-live.js", "integrity.json"
NOT_SERVED |= {"sw.js", KEEPER}
# Of onnxruntime-web, one bundle a provider. The one for WebGL brings no wasm.
ONNXRUNTIME_FILES = [
    "ort.wasm.min.mjs",
    "ort.webgpu.min.mjs",
    "ort.jspi.min.mjs",
    "ort.webgl.min.mjs",
    *(f"ort-wasm-simd-threaded{build}.{kind}" for build in ("", ".asyncify", ".jspi") for kind in ("mjs", "wasm")),
]
THREE_FILES = ["three.module.js", "three.core.js"]
PYODIDE_FILES = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm"]

Tree = Mapping[str, Resource]


def fingerprint(tree: Tree) -> str:
    """Return a short hash of the names and contents of a folder."""
    text = "".join(f"{name}\0{tree[name].sha256}\n" for name in sorted(tree))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def served_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Find the files of web/ that belong to the application. A link that leads out of the folder is not followed."""
    inside = folder.resolve()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in NOT_SERVED or path.name == "index.html":
            continue
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            typed = file.suffix in MEDIA_TYPES
            if typed and not hidden and file.is_file() and file.resolve().is_relative_to(inside):
                yield file.relative_to(folder).as_posix(), file


def source_paths(folder: Path) -> list[str]:
    """Return the paths that change when the application does: its folders, its files and the page itself."""
    files = [folder / "index.html", folder / KEEPER, *(path for _, path in served_files(folder))]
    return [*dict.fromkeys(str(path) for file in files for path in (file.parent, file))]


def stamp(path: str) -> tuple[int, int] | None:
    """Return what changes whenever a file is written, or a folder gains or loses one; None where there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a hundred for each front page: pathlib takes three times as long
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


MASKS = ("selfie-general", "selfie-landscape")


def describe(files: Mapping[str, Resource]) -> dict[str, dict[str, str | int]]:
    """Return what a service worker must know of each file."""
    return {
        name: {"sha256": resource.sha256, "bytes": resource.size, "type": resource.media_type}
        for name, resource in sorted(files.items())
    }


def models_standing() -> list[int]:
    """Return what changes whenever a model is made ready or removed: asking each one takes a tenth of a second."""
    folders = [store.cache_folder() / name for name in ("onnx", "sources")]
    return [folder.stat().st_mtime_ns if folder.exists() else 0 for folder in folders]


class Site:
    """The map from addresses to resources. `refresh` takes in what has changed on disk."""

    def __init__(
        self,
        python: PythonFiles,
        web: Path = checkout.WEB,
        models: Collection[str] | None = None,
        coming: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Read everything.

        Of `models` only these are on the site; None takes all that are ready. `coming` names models that are being made
        ready meanwhile.
        """
        self.web = web
        self.coming = coming
        self.python = python
        self.models = models
        self.licenses = licenses.tree(licenses.components(python.wheels))
        self.lock = from_bytes(lock.make_lock(python.wheels), ".json")
        self.pages: dict[str, Resource] = {}
        self.addresses: dict[str, Any] = {}
        self.folders: dict[str, Resource] = {}
        self._files: dict[Path, Resource] = {}
        self._sources: dict[str, tuple[int, int] | None] = {}
        self._refreshing = threading.Lock()
        self._standing: list[object] = []
        self._catalogue: tuple[list[dict[str, Any]], Tree] = ([], {})
        self.refresh()

    def is_current(self, address: str) -> bool:
        """Return whether what `lookup` gives is still what lies on disk: a stat, for the front page one a source."""
        if address not in self.pages:
            resource = self.folders.get(address)
            return resource is None or resource.is_current()
        if [*models_standing(), *self.coming()] != self._standing:
            return False
        return all(stamp(path) == known for path, known in self._sources.items())

    def find(self, address: str) -> tuple[Resource, bool] | None:
        """Return what is at an address, relative to the site's root, and whether it may be kept for ever.

        Addresses are looked up whole, never joined to a folder: there is no way out of the map. After an edit the old
        addresses are gone, and a reload shows the new ones.
        """
        if not self.is_current(address):
            with self._refreshing:
                if not self.is_current(address):  # else another thread has done it
                    self.refresh()
        return self.lookup(address)

    def lookup(self, address: str) -> tuple[Resource, bool] | None:
        """Return the same without a look at the disk."""
        if address in self.pages:
            return self.pages[address], False
        resource = self.folders.get(address)
        return (resource, True) if resource else None

    def resources(self) -> list[Resource]:
        """Return everything that is served, each content once."""
        return list({resource.sha256: resource for resource in [*self.pages.values(), *self.folders.values()]}.values())

    def refresh(self) -> None:
        """Read the folders again; files that did not change are not hashed again."""
        folders: dict[str, Resource] = {}
        # Stamped before they are read: an edit meanwhile is seen at the next look.
        sources = {path: stamp(path) for path in source_paths(self.web)}
        standing = [*models_standing(), *self.coming()]
        known_standing, self._standing = self._standing, []  # until all is done, nothing is current

        def put(name: str, tree: Tree) -> str:
            base = f"{name}/{fingerprint(tree)}/"
            folders.update({base + path: resource for path, resource in tree.items()})
            return base

        app = put("app", {name: self._file(path) for name, path in served_files(self.web)})
        ort = put("ort", {name: self._package_file(checkout.ONNXRUNTIME / name) for name in ONNXRUNTIME_FILES})
        three = put("three", {name: self._package_file(checkout.THREE / name) for name in THREE_FILES})
        python = {name: self._package_file(checkout.PYODIDE / name) for name in PYODIDE_FILES}
        python[STANDARD_LIBRARY] = self._file(self.python.standard_library)
        later = self.python.later
        python |= {path.name: self._file(path) for path in [*later, *(wheel.path for wheel in self.python.wheels)]}
        pyodide = put("pyodide", {**python, "pyodide-lock.json": self.lock})
        if standing != known_standing:
            self._catalogue = self._models()
        entries, models = self._catalogue
        folders.update({f"models/{name}": resource for name, resource in models.items()})
        told = put("licenses", self.licenses)
        catalogue = put("models", {"catalogue.json": from_bytes(json.dumps(entries).encode(), ".json")})
        self.addresses = {
            "version": version("bodylens"),
            "app": app,
            "ort": ort,
            "pyodide": pyodide,
            # What of Python a page does not need at its start.
            "later": [pyodide + path.name for path in later],
            "three": three,
            "models": "models/",
            "catalogue": catalogue + "catalogue.json",
            "samples": app + "samples/",
            "licenses": told + licenses.INDEX,
            # Whose masks stand beside the poses of a system that has none.
            "masks": next((name for name in MASKS if any(e["name"] == name and e["url"] for e in entries)), ""),
        }
        self.folders = folders
        self.pages = {
            "": self.front_page({**self.addresses, "keeper": KEEPER}),
            KEEPER: self._file(self.web / KEEPER),
            INTEGRITY: from_bytes(json.dumps(self._integrity()).encode(), ".json"),
        }
        self._sources, self._standing = sources, standing

    def _integrity(self) -> dict[str, Any]:
        """Return what the keeper must know: every file, what the page is, and what else a first visit needs."""
        app, catalogue = self.addresses["app"], self.addresses["catalogue"]
        bundle = tuple(self.addresses["ort"] + name for name in ("ort.wasm.", "ort-wasm-simd-threaded."))
        pyodide = self.addresses["pyodide"]
        return {
            "core": sorted([catalogue, *(name for name in self.folders if name.startswith(app))]),
            "start": sorted(
                name
                for name in self.folders
                if (name.startswith(pyodide) and "/micropip" not in name)
                or (name.startswith(bundle) and ".asyncify." not in name and ".jspi." not in name)
            ),
            "files": describe(self.folders),
            "inflated": {},
        }

    def front_page(self, told: Mapping[str, Any]) -> Resource:
        """Return the front page with what it is told: the addresses, and more on a static site."""
        text = (self.web / "index.html").read_text(encoding="utf-8")
        text = text.replace("{{app}}", told["app"].rstrip("/")).replace("{{licenses}}", told["licenses"])
        return from_bytes(text.replace("{{site}}", html.escape(json.dumps(told))).encode(), ".html")

    def _file(self, path: Path) -> Resource:
        self._files[path] = from_file(path, self._files.get(path))
        return self._files[path]

    def _package_file(self, path: Path) -> Resource:
        try:
            return self._file(path)
        except FileNotFoundError as error:
            raise Failure(f"{path} is missing: run `npm ci --omit=dev` in {checkout.WEB}, or scripts/serve") from error

    def _models(self) -> tuple[list[dict[str, Any]], dict[str, Resource]]:
        """Return the catalogue as the page reads it, and the files of the models that are ready."""
        entries: list[dict[str, Any]] = []
        files: dict[str, Resource] = {}
        coming = self.coming()
        for plain in catalogue.entries().values():
            for entry in [plain, *(plain.as_variant(name) for name in plain.variants)]:
                standing = store.state(entry.name, entry.variant)
                told: dict[str, Any] = {"url": None, "why": standing.why, "fetch": ""}
                if self.models is not None and entry.label not in self.models:
                    if entry.variant or not any(label.startswith(f"{entry.name}+") for label in self.models):
                        continue
                    told["why"] = "it is here in another form alone"  # which the page lists under this name
                elif standing.state == "ready":
                    resource = self._file(store.path(entry.name, entry.variant))
                    address = f"{entry.label}.{resource.sha256[:8]}.onnx"
                    files[address] = resource
                    told = {"url": f"../{address}"}
                elif entry.variant and entry.label not in plain.together:
                    continue  # a person asks for models; their variants are the program's own business
                elif entry.name in coming:
                    told = {"url": None, "why": "it is being made ready just now", "fetch": "Try again in a minute."}
                elif standing.state == "fetchable" and not standing.unreached:
                    told = {
                        "url": None,
                        "why": "it has not been fetched yet",
                        "fetch": f"Run `bodylens models fetch {entry.name}`, then try again.",
                    }
                spec = store.page_spec(entry)
                entries.append({**spec, "name": entry.label, "state": standing.state, **told})
        return entries, files
