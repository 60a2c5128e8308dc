"""The static site as a folder: what is in it, what vouches for it, and what is never overwritten."""

import gzip
import hashlib
import html
import json
import re

import pytest

from bodylens_models import store
from bodylens_server import build, checkout
from bodylens_server import site as site_module
from bodylens_server.command import main
from bodylens_server.errors import Failure
from bodylens_server.site import ONNXRUNTIME_FILES, PYODIDE_FILES, THREE_FILES, Site

LIMIT = 1_000_000


@pytest.fixture
def web(web):
    (web / "sw.js").write_bytes((checkout.WEB / "sw.js").read_bytes())
    return web


@pytest.fixture(autouse=True)
def packages(tmp_path, monkeypatch):
    """Stand in for the packages with small files, of which one is too large for a host."""
    lock = (checkout.PYODIDE / "pyodide-lock.json").read_bytes()
    manifest = (checkout.PYODIDE / "package.json").read_bytes()
    for folder, names in {"ONNXRUNTIME": ONNXRUNTIME_FILES, "THREE": THREE_FILES, "PYODIDE": PYODIDE_FILES}.items():
        made = tmp_path / folder
        made.mkdir()
        for name in names:
            times = 1 + 40_000 * ("asyncify.wasm" in name) + 4_000 * (name == "pyodide.asm.wasm")
            (made / name).write_bytes(name.encode() * times)
        monkeypatch.setattr(checkout, folder, made)
    (tmp_path / "PYODIDE" / "pyodide-lock.json").write_bytes(lock)
    (tmp_path / "PYODIDE" / "package.json").write_bytes(manifest)


@pytest.fixture
def ready(cache, monkeypatch):
    """Make two models and a variant ready."""
    ready = {("selfie-general", None), ("selfie-landscape", None), ("selfie-general", "webgl")}
    for name, variant in ready:
        path = cache / "onnx" / f"{name}-{variant}.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name} {variant}".encode())
    missing = store.State("fetchable", "not fetched", 7, None)
    found = store.State("ready", "ready", 7, 7)
    monkeypatch.setattr(site_module.store, "state", lambda *label: found if label in ready else missing)
    monkeypatch.setattr(site_module.store, "path", lambda name, variant: cache / "onnx" / f"{name}-{variant}.onnx")


@pytest.fixture
def files(site):
    return build.collect(site, LIMIT)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(files):
    found = re.search(r'name="bodylens:site" content="([^"]*)"', files["index.html"].read().decode())
    return json.loads(html.unescape(found[1]))


def test_the_folder_holds_what_the_server_serves(site, files, tmp_path):
    build.write(files, tmp_path / "out")
    written = contents(tmp_path / "out")
    for address, resource in site.folders.items():
        assert address in written or gzip.decompress(written[address + ".gz"]) == resource.read(), address
    assert set(written) == set(files)


def test_no_address_is_absolute(files):
    addresses = told(files)
    flat = [*addresses.pop("gzipped"), *addresses.pop("later"), *addresses.values()]
    assert not [address for address in flat if address.startswith("/") or ":" in address]
    assert not re.search(r'(src|href)="(/|https?:)', files["index.html"].read().decode())


def test_what_is_too_large_comes_gzipped_and_the_page_knows_it(files):
    addresses = told(files)
    large = addresses["ort"] + "ort-wasm-simd-threaded.asyncify.wasm"
    assert addresses["gzipped"] == [large]
    assert large not in files
    assert all(resource.size <= LIMIT for name, resource in files.items() if name != "integrity.json")
    assert gzip.decompress(files[large + ".gz"].read()) == b"ort-wasm-simd-threaded.asyncify.wasm" * 40_001


def test_what_stays_too_large_is_one_sentence(site):
    with pytest.raises(Failure, match=r"^app/.* has 0\.0 MB, gzipped 0\.0, and static hosts allow 0\.0: choose"):
        build.collect(site, limit=20)


def test_one_hash_vouches_for_every_file(files, tmp_path):
    out = tmp_path / "out"
    build.write(files, out)
    integrity = json.loads((out / "integrity.json").read_bytes())
    assert set(integrity["files"]) == set(contents(out)) - {"integrity.json", "sw.js"}
    for name, entry in integrity["files"].items():
        data = (out / name).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data)), name
    vouched = hashlib.sha256((out / "integrity.json").read_bytes()).hexdigest()
    assert f'const INTEGRITY = "{vouched}";' in (out / "sw.js").read_text()
    assert set(integrity["core"]) <= set(integrity["files"])
    assert integrity["headers"]["cross-origin-embedder-policy"] == "require-corp"
    assert "connect-src 'self'" in integrity["headers"]["content-security-policy"]


def test_the_same_sources_give_the_same_bytes(web, python_files, cache):
    first, second = (build.collect(Site(python_files, web), LIMIT) for _ in range(2))
    assert {name: file.read() for name, file in first.items()} == {name: file.read() for name, file in second.items()}


@pytest.mark.parametrize(
    ("models", "listed", "offered"),
    [
        (["selfie-general"], ["selfie-general"], ["selfie-general"]),
        (["selfie-general+webgl"], ["selfie-general", "selfie-general+webgl"], ["selfie-general+webgl"]),
        (["selfie-landscape", "selfie-general"], ["selfie-general", "selfie-landscape"], None),
    ],
    ids=["one", "a variant alone, under its model's name", "two"],
)
def test_only_the_chosen_models_are_in_it(ready, web, python_files, models, listed, offered):
    files = build.collect(Site(python_files, web, models), LIMIT)
    catalogue = json.loads(files[told(files)["catalogue"]].read())
    assert [model["name"] for model in catalogue] == listed
    assert [model["name"] for model in catalogue if model["url"]] == (offered or listed)
    weights = [name for name in files if name.endswith(".onnx")]
    assert sorted(weight.split("/")[1].rsplit(".", 2)[0] for weight in weights) == sorted(offered or listed)


@pytest.mark.parametrize("name", ["thesis.txt", "integrity.json"])
def test_a_folder_with_something_else_in_it_is_left_alone(name, files, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('{"name": "another project", "files": {}}')
    before = contents(tmp_path / "out")
    with pytest.raises(Failure, match="is not empty and no earlier build: choose another folder, or empty it"):
        build.write(files, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert main(["build", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_earlier_build_is_replaced_and_what_others_put_there_stays(site, web, files, tmp_path):
    out = tmp_path / "out"
    build.write(files, out)
    (out / "CNAME").write_text("example.org")
    (web / "page/main.js").write_text("// another program")
    site.refresh()
    after = build.collect(site, LIMIT)
    build.write(after, out)
    assert set(contents(out)) == {*after, "CNAME"}
    assert len(list((out / "app").iterdir())) == 1, "no empty folder of the old version is left"


def test_a_forged_manifest_removes_nothing_outside_the_folder(files, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    (tmp_path / "out").mkdir()
    forged = {"name": "bodylens", "files": {"../precious.txt": {}, str(precious): {}}}
    (tmp_path / "out" / "integrity.json").write_text(json.dumps(forged))
    build.write(files, tmp_path / "out")
    assert precious.read_text() == "mine"


def test_what_a_host_may_not_compress_comes_gzipped_as_well(files):
    pyodide = told(files)["pyodide"]
    plain, gzipped = files[pyodide + "pyodide.asm.wasm"], files[pyodide + "pyodide.asm.wasm.gz"]
    assert gzip.decompress(gzipped.read()) == plain.read()
    assert gzipped.size < plain.size
    assert pyodide + "pyodide.mjs.gz" not in files, "a small file stays alone"
    assert not [name for name in files if name.startswith("app/") and name.endswith(".gz")], (
        "the page is loaded before there is anything that inflates"
    )


def test_the_manifest_knows_what_the_gzipped_files_hold(files):
    integrity = json.loads(files["integrity.json"].read())
    alone = told(files)["ort"] + "ort-wasm-simd-threaded.asyncify.wasm"
    assert list(integrity["inflated"]) == [alone]
    content = gzip.decompress(files[alone + ".gz"].read())
    assert integrity["inflated"][alone] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "type": "application/wasm",
    }


def test_the_sizes_add_up(site, files):
    parts = build.measure(files)
    assert [part.name for part in parts] == ["Python", "licences", "models", "onnxruntime-web", "page", "three.js"]
    assert sum(part.folder for part in parts) == sum(file.size for file in files.values())
    assert sum(part.files for part in parts) == len(files)
    fixed = sum(files[name].size for name in ("index.html", "sw.js", "integrity.json"))
    assert sum(part.size for part in parts) == fixed + sum(file.size for file in site.folders.values())
    assert all(0 < part.packed <= part.size for part in parts)
    assert sum(part.packed for part in parts) < sum(part.size for part in parts)
    assert build.report(parts).splitlines()[-1].split()[:2] == ["all", str(len(files))]


def test_a_first_visit_is_the_page_python_one_runtime_and_one_model(ready, web, python_files):
    files = build.collect(Site(python_files, web), LIMIT)
    loaded = build.first_visit(files, "selfie-general")
    weights = {name: file.size for name, file in files.items() if name.endswith(".onnx")}
    (other,) = (size for name, size in weights.items() if "selfie-landscape." in name)
    (model,) = (size for name, size in weights.items() if "selfie-general." in name)
    assert build.first_visit(files, "selfie-landscape") - loaded == other - model
    everything = sum(build.wire(files, name.removesuffix(".gz")) for name in files if f"{name}.gz" not in files)
    assert 0 < loaded < everything


def test_the_command_writes_the_folder_and_tells_its_size(ready, python_files, web, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "make_ready", lambda names: None)
    monkeypatch.setattr(build.wheels, "build", lambda: python_files)
    monkeypatch.setattr(checkout, "WEB", web)
    monkeypatch.setattr(build, "Site", lambda python, models: Site(python, web, models))
    out = tmp_path / "out"
    assert main(["build", str(out), "--models", "selfie-general"]) == 0
    said = capsys.readouterr().out
    assert "files for any static host" in said
    assert re.search(r"A first visit with selfie-general loads 0\.\d MB", said)
    assert re.search(r"The largest file is \S+: \d\.\d MB, and hosts allow 26\.2", said)
    assert hashlib.sha256((out / "integrity.json").read_bytes()).hexdigest() in said


def test_a_model_that_is_unknown_is_one_sentence(cache, tmp_path, capsys):
    assert main(["build", str(tmp_path / "out"), "--models", "selfie-generel"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bodylens: there is no model called 'selfie-generel'")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
