"""The map from addresses to files."""

import concurrent.futures
import html
import json
import re

import pytest

from bodylens_models import store
from bodylens_server import checkout
from bodylens_server import site as site_module
from bodylens_server.errors import Failure
from bodylens_server.site import Site


def front_page(site):
    return site.find("")[0].read().decode()


def addresses(site):
    found = re.search(r'name="bodylens:site" content="([^"]*)"', front_page(site))
    return json.loads(html.unescape(found[1]))


def test_the_front_page_names_every_folder_relative_to_itself(site):
    told = addresses(site)
    assert set(told) == {
        "version",
        "app",
        "ort",
        "pyodide",
        "later",
        "three",
        "models",
        "catalogue",
        "samples",
        "masks",
        "keeper",
        "licenses",
    }
    assert told["later"] == [told["pyodide"] + "python_stdlib_later.zip"]
    for name in ("app", "ort", "pyodide", "three"):
        assert re.fullmatch(name + r"/[0-9a-f]{8}/", told[name])
    assert told["samples"] == told["app"] + "samples/"
    assert told["masks"] in ("selfie-general", "selfie-landscape", "")
    assert re.fullmatch(r"models/[0-9a-f]{8}/catalogue\.json", told["catalogue"])


def test_the_page_finds_its_program_where_the_front_page_says(site):
    source = re.search(r'src="([^"]*)"', front_page(site))[1]
    assert site.find(source)[0].path == site.web / "page/main.js"


def test_what_keeps_the_site_knows_every_file_of_it(site):
    told = json.loads(site.find("integrity.json")[0].read())
    assert set(told["files"]) == set(site.folders)
    assert all(site.folders[name].sha256 == file["sha256"] for name, file in told["files"].items())
    assert addresses(site)["catalogue"] in told["core"]
    assert {name for name in site.folders if name.startswith("app/")} < set(told["core"])
    assert any(name.endswith("pyodide.asm.wasm") for name in told["start"])
    assert not [name for name in told["start"] if name not in site.folders or "jspi" in name]


def test_only_the_front_page_and_what_keeps_it_may_change(site):
    assert addresses(site)["keeper"] in site.pages
    assert not any(site.find(address)[1] for address in site.pages)
    assert all(site.find(address)[1] for address in site.folders)


@pytest.mark.parametrize(
    "name", ["index.html", ".npmrc", "package.json", "types.d.ts", "node_modules/left/pad.js", "wheels/compile.mjs"]
)
def test_what_the_page_does_not_need_has_no_address(site, name):
    assert not [address for address in site.folders if address.endswith("/" + name) and address.startswith("app/")]


def test_hidden_files_have_no_address(site):
    assert not [address for address in site.folders if "/." in address]


def test_a_link_that_leads_out_of_the_folder_has_no_address(cache, web, python_files, tmp_path):
    (tmp_path / "secret.js").write_text("secret")
    (web / "page" / "link.js").symlink_to(tmp_path / "secret.js")
    (web / "outside").symlink_to(tmp_path, target_is_directory=True)
    site = Site(python_files, web)
    assert not [address for address in site.folders if "link.js" in address or "secret" in address]


@pytest.mark.parametrize("provider", ["wasm", "webgpu", "jspi", "webgl"])
def test_each_provider_has_its_bundle_and_the_files_that_it_loads(site, provider):
    ort = addresses(site)["ort"]
    bundle = site.find(f"{ort}ort.{provider}.min.mjs")[0].read().decode()
    needed = set(re.findall(r"ort-wasm-simd-threaded[a-z.]*\.(?:mjs|wasm)", bundle))
    for name in needed | {name.replace(".mjs", ".wasm") for name in needed}:
        assert site.find(ort + name), name


def test_pyodide_lies_beside_its_lock_and_the_wheels(site, wheel):
    folder = addresses(site)["pyodide"]
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", wheel.path.name):
        assert site.find(folder + name), name
    assert list(json.loads(site.find(folder + "pyodide-lock.json")[0].read())["packages"]) == ["numpy"]


def test_an_edited_source_moves_to_another_address(site):
    before = addresses(site)
    (site.web / "page/main.js").write_text("// another program")
    assert site.find(before["app"] + "page/main.js") is None, "the old address promised the old content for ever"
    after = addresses(site)
    assert after["app"] != before["app"]
    assert site.find(after["app"] + "page/main.js")[0].read() == b"// another program"
    assert (after["ort"], after["pyodide"]) == (before["ort"], before["pyodide"])


def test_a_removed_source_is_gone(site):
    address = addresses(site)["app"] + "style.css"
    (site.web / "style.css").unlink()
    assert site.find(address) is None


def test_a_model_that_is_not_ready_says_why_and_what_to_do(site):
    catalogue = json.loads(site.find(addresses(site)["catalogue"])[0].read())
    model = next(model for model in catalogue if model["name"] == "selfie-general")
    assert model["state"] == "fetchable"
    assert model["url"] is None
    assert "bodylens models fetch selfie-general" in model["fetch"]


def test_a_model_made_ready_is_there_at_the_next_visit(site, cache, monkeypatch):
    before = addresses(site)["catalogue"]
    weights = cache / "onnx" / "weights.onnx"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    ready = store.State("ready", "ready", 7, 7)
    real = store.state
    monkeypatch.setattr(
        site_module.store, "state", lambda *name: ready if name == ("selfie-general", None) else real(*name)
    )
    monkeypatch.setattr(site_module.store, "path", lambda *name: weights)
    site.refresh()
    after = addresses(site)["catalogue"]
    assert after != before
    model = next(m for m in json.loads(site.find(after)[0].read()) if m["name"] == "selfie-general")
    assert model["state"] == "ready"
    # Its address is relative to the catalogue's.
    assert re.fullmatch(r"\.\./selfie-general\.[0-9a-f]{8}\.onnx", model["url"])
    assert site.find("models/" + model["url"].removeprefix("../"))[0].read() == b"weights"


def test_missing_packages_are_named_with_what_to_do(cache, web, python_files, tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, "ONNXRUNTIME", tmp_path)
    with pytest.raises(Failure, match=r"ort\.wasm\.min\.mjs is missing: run `npm ci"):
        Site(python_files, web)


def test_the_front_page_is_made_anew_only_after_a_change(site, cache, monkeypatch):
    made = []
    refresh = site.refresh
    monkeypatch.setattr(site, "refresh", lambda: made.append(1) or refresh())
    for _ in range(3):
        site.find("")
    assert not made
    changes = [
        lambda: (site.web / "index.html").write_text("<title>other</title>{{site}}"),
        lambda: (site.web / "page/new.js").write_text("// new"),
        lambda: (site.web / "page/new.js").unlink(),
        lambda: (site.web / "style.css").write_text("body { margin: 1px }"),
        lambda: (cache / "onnx").mkdir(parents=True),
    ]
    for count, change in enumerate(changes, 1):
        change()
        assert not site.is_current("")
        site.find("")
        assert site.is_current("")
        assert len(made) == count


def test_many_visitors_after_an_edit_read_it_once(site, monkeypatch):
    made = []
    refresh = site.refresh
    monkeypatch.setattr(site, "refresh", lambda: made.append(1) or refresh())
    (site.web / "style.css").write_text("body { margin: 2px }")
    with concurrent.futures.ThreadPoolExecutor(8) as visitors:
        found = list(visitors.map(lambda _: site.find("")[0], range(32)))
    assert len(made) == 1
    assert len({resource.sha256 for resource in found}) == 1
