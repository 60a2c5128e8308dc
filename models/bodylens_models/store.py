"""Ready models on this machine: fetched, checked, converted once, kept in a cache.

The cache holds `sources/` (the original files) and `onnx/` (what became of them, with a JSON record beside each).
A file appears under its name only when it is whole, so an interrupted or doubled run does no harm.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bodylens_models import catalogue, sources
from bodylens_models.catalogue.entry import Entry
from bodylens_models.convert.error import ConversionError
from bodylens_models.convert.version import VERSION
from bodylens_models.progress import Progress, Step, silent

try:
    import fcntl
except ImportError:  # Windows: two runs at once then both do the work, and the last rename wins
    fcntl = None  # type: ignore[assignment]


class ModelUnavailable(RuntimeError):
    """A model that is not ready here: which, why, and the command that mends it."""


@dataclass(frozen=True)
class State:
    """How a model stands. why: for people; source_bytes to fetch; onnx_bytes of the converted file, None if unknown.

    unreached: it was tried to fetch it, in vain.
    """

    state: Literal["ready", "fetchable", "unavailable"]
    why: str
    source_bytes: int
    onnx_bytes: int | None
    unreached: bool = False


def cache_folder() -> Path:
    """Where models are kept: $BODYLENS_CACHE, else bodylens in $XDG_CACHE_HOME or in ~/.cache."""
    if given := os.environ.get("BODYLENS_CACHE"):
        return Path(given)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "bodylens"
    return Path.home() / ".cache" / "bodylens"


def path(name: str, variant: str | None = None) -> Path:
    """The ready ONNX file of a model; ModelUnavailable when it is not here, UnknownModel for an unknown name."""
    chosen = catalogue.entry(name, variant)
    if record(chosen) is None:
        standing = state(name, variant)
        raise ModelUnavailable(f"the model {chosen.label} is not ready: {standing.why}")
    return _target(chosen)


def ensure(name: str, variant: str | None = None, progress: Progress | None = None) -> Path:
    """The ready ONNX file of a model, fetched and converted first if need be.

    Raises ModelUnavailable when its weights cannot be had, ConversionError when they cannot be converted,
    UnknownModel for a name that is not known.
    """
    return ensure_all([(name, variant)], progress)[0]


def ensure_all(wanted: Iterable[tuple[str, str | None]], progress: Progress | None = None) -> list[Path]:
    """As `ensure` for several (name, variant), streaming each npm package only once.

    One that fails keeps none of the others from being made; its error comes at the end.
    """
    report = progress or silent
    chosen = [catalogue.entry(name, variant) for name, variant in wanted]
    missing = [item for item in chosen if record(item) is None]
    failed: dict[str, ModelUnavailable | ConversionError] = {}
    # All forms of a model have the same weights: what is amiss with them is said once.
    said: dict[tuple[str, str], ModelUnavailable] = {}
    for item in missing:
        if item.unavailable:
            error = ModelUnavailable(f"the model {item.label} cannot be had: {item.unavailable}")
            failed[item.label] = said.setdefault((item.name, item.unavailable), error)
    missing = [item for item in missing if item.label not in failed]
    if missing:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / ".lock"):
            _sweep(folder)
            still = [item for item in missing if record(item) is None]
            troubles: dict[str, str] = {}
            files = sources.obtain_all(folder, still, report, troubles)
            for item in still:
                trouble = _trouble(folder, item)
                if why := troubles.get(item.label):
                    write(trouble, why.encode())
                    error = ModelUnavailable(
                        f"the weights of {item.label} cannot be had: {why}; "
                        f"to try again, run: bodylens models fetch {item.label}"
                    )
                    failed[item.label] = said.setdefault((item.name, why), error)
                    continue
                trouble.unlink(missing_ok=True)
                report(Step(item.label, "convert"))
                try:
                    _make(item, files[item.label])
                except ConversionError as broken:
                    failed[item.label] = broken
    for item in chosen:
        if item.label not in failed:
            report(Step(item.label, "ready", _target(item).stat().st_size))
    errors = list(dict.fromkeys(failed.values()))
    if len(errors) > 1:
        raise ModelUnavailable(f"{len(errors)} models could not be made ready:\n  " + "\n  ".join(map(str, errors)))
    for only in errors:
        raise only
    return [_target(item) for item in chosen]


def state(name: str, variant: str | None = None) -> State:
    """How a model stands, without touching the network."""
    chosen = catalogue.entry(name, variant)
    source = chosen.source
    known = record(chosen)
    size = int(known["bytes"]) if known else chosen.onnx.bytes if chosen.onnx else None
    if known:
        return State("ready", "ready", source.bytes, size)
    command = f"bodylens models fetch {name}" + (f" --variant {chosen.variant}" if chosen.variant else "")
    if chosen.unavailable:
        return State("unavailable", chosen.unavailable, source.bytes, size)
    folder = cache_folder()
    here = [f for f in source.files if sources.present(folder, f) or sources.mirrored(f)]
    away = [f for f in source.files if f not in here]
    if not all((f.npm and source.package) or f.urls for f in away):
        lacking = next(f for f in away if not f.npm and not f.urls)
        why = f"its weights are in no public package; set BODYLENS_MIRROR to a folder that holds {lacking.mirror}"
        return State("unavailable", f"{why}, then run: {command}", source.bytes, size)
    try:
        trouble = _trouble(folder, chosen).read_text(encoding="utf-8") if away else ""
    except OSError:
        trouble = ""
    if trouble:
        why = f"its weights could not be had: {trouble}; to try again, run: {command}"
        return State("fetchable", why, source.bytes, size, unreached=True)
    return State("fetchable", f"it has not been fetched yet; run: {command}", source.bytes, size)


def imported() -> dict[str, dict[str, Any]]:
    """What was imported before: records by name, each with name, sha256, bytes, inputs, outputs and path."""
    found = {}
    for file in sorted((cache_folder() / "imported").glob("*.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            found[str(record["name"])] = {**record, "path": str(file.with_suffix(".onnx"))}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def record(chosen: Entry) -> dict[str, Any] | None:
    """What was written down when the model was converted (sha256, bytes, check), or None when it is not ready."""
    target = _target(chosen)
    try:
        found: dict[str, Any] = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        whole = target.stat().st_size == found["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def page_spec(chosen: Entry) -> dict[str, Any]:
    """What the page must know to run a model, as plain JSON.

    bytes, sha256 and check are those of the converted file, or None until there is one (see `ensure`).
    first: label of the form that its system begins with. check: see `bodylens_models.check`.
    """
    written = record(chosen)
    expected = chosen.onnx
    return {
        "name": chosen.name,
        "variant": chosen.variant,
        "title": chosen.title,
        "system": chosen.system,
        "first": None if chosen.variant else chosen.together[0],
        "topology": chosen.topology,
        "input": {
            "name": chosen.input.name,
            "height": chosen.input.height,
            "width": chosen.input.width,
            "low": chosen.input.low,
            "high": chosen.input.high,
            "padding": chosen.input.padding,
            "border": chosen.input.border,
            "sampler": chosen.input.sampler,
        },
        "outputs": {key: {"name": out.name, "shape": list(out.shape)} for key, out in chosen.outputs.items()},
        "bytes": written["bytes"] if written else expected.bytes if expected else None,
        "sha256": written["sha256"] if written else expected.sha256 if expected else None,
        "check": written["check"] if written else None,
    }


def _target(chosen: Entry) -> Path:
    # The options are part of the key: an edited catalogue entry is converted anew.
    recipe = json.dumps(
        [
            chosen.reader,
            chosen.options,
            {k: o.tensor for k, o in chosen.outputs.items()},
            chosen.input.shape,
            dict(chosen.pattern),
        ],
        sort_keys=True,
    )
    key = hashlib.sha256(f"{VERSION} {chosen.source.sha256} {recipe}".encode()).hexdigest()[:12]
    return cache_folder() / "onnx" / f"{chosen.label}-{key}.onnx"


def _trouble(folder: Path, chosen: Entry) -> Path:
    """Where it is noted why a model's sources could not be had when they were last asked."""
    return folder / "troubles" / f"{chosen.label}.txt"


def _make(chosen: Entry, files: dict[str, Path]) -> None:
    # Only now: who finds everything ready shall not wait for the converter and onnxruntime to load.
    from bodylens_models.convert.convert import convert

    keep(chosen, convert(chosen, files))


def keep(chosen: Entry, model: bytes) -> Path:
    """Make a converted file the ready one of a model.

    Raises ConversionError when it is not what the catalogue says, or does not run.
    """
    from bodylens_models import check

    digest = hashlib.sha256(model).hexdigest()
    if chosen.onnx is not None and digest != chosen.onnx.sha256:
        raise ConversionError(
            f"{chosen.label}: the converted file has sha256 {digest}, the catalogue says {chosen.onnx.sha256}; "
            "is another version of onnx or numpy installed than the project pins?"
        )
    found = {"sha256": digest, "bytes": len(model), "converter": VERSION, "check": check.make(model, chosen)}
    target = _target(chosen)
    write(target, model)
    # The record comes last: its presence says that the model is whole.
    write(target.with_suffix(".json"), json.dumps(found).encode())
    return target


def write(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed left half-written; only with the lock held."""
    if fcntl is None:
        return
    for kind in ("sources", "onnx"):
        for left in (folder / kind).glob(".*-*"):
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Only one run fetches at a time; the lock goes with the process, however it ends."""
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
