"""Whose works a site contains: everything has an owner, and every owner a licence that can be read there."""

import re
import zipfile

import pytest

from bodylens_server import checkout, licenses
from bodylens_server.build import collect
from bodylens_server.command import main
from bodylens_server.errors import Failure


def test_everything_on_a_site_has_an_owner(site):
    (site.web / "sw.js").write_bytes((checkout.WEB / "sw.js").read_bytes())
    listed = licenses.components()
    for address in [*site.folders, *site.pages, *collect(site, limit=1 << 30)]:
        assert licenses.owner(address, listed), address
    for address, name in {
        "ort/0123/ort.wasm.min.mjs": "onnxruntime-web",
        "pyodide/0123/numpy_later.zip": "NumPy",
        "pyodide/0123/python_stdlib.zip": "CPython",
        "pyodide/0123/pyodide.asm.wasm": "Pyodide",
        "pyodide/0123/bodylens-0.1.0-cp314-none-any.whl": "bodylens",
        "app/0123/samples/astronaut.jpg": "Astronaut (sample picture)",
        "models/movenet-lightning+heads.0123.onnx": "movenet-lightning",
        "models/bodypix-050.0123.onnx.gz": "bodypix-050",
    }.items():
        assert licenses.owner(address, listed).name == name


@pytest.mark.parametrize("address", ["new-library/0123/code.js", "models/unknown.0123.onnx", "pyodide/0123/pandas.whl"])
def test_what_nobody_has_entered_has_no_owner(address):
    assert licenses.owner(address, licenses.components()) is None


def test_every_sample_picture_is_entered():
    pictures = {path.name for path in (checkout.WEB / "samples").iterdir()} - {"README.md"}
    assert pictures == {"astronaut.jpg"}, "say in licenses.py whose it is"


def test_the_page_of_licences_leads_to_every_text(site):
    page = site.addresses["licenses"]
    folder = page.removesuffix(licenses.INDEX)
    text = site.find(page)[0].read().decode()
    links = re.findall(r'href="([^"]+)"', text)
    for link in links:
        assert site.find(folder + link), link
    assert {f"{folder}{link}" for link in links} | {page} == {a for a in site.folders if a.startswith(folder)}
    for component in licenses.components():
        assert f"<dt>{component.name}" in text
    assert "Mozilla Public License" in site.find(folder + "MPL-2.0.txt")[0].read().decode()
    assert "Microsoft Corporation" in site.find(folder + "onnxruntime.txt")[0].read().decode()


def test_all_licences_of_a_wheel_are_taken(tmp_path):
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing-1.0.dist-info/licenses/LICENSE", "one")
        archive.writestr("thing-1.0.dist-info/licenses/vendored/LICENSE.md", "two")
        archive.writestr("thing/LICENSE", "none of its own")
    assert licenses.wheel_texts(path) == {"thing-LICENSE.txt": b"one", "thing-vendored-LICENSE.txt": b"two"}


def test_a_site_without_a_licence_is_not_made(monkeypatch, tmp_path):
    monkeypatch.setattr(checkout, "NODE_MODULES", tmp_path)
    with pytest.raises(Failure, match=r"the licence of three\.js is missing: run `npm ci"):
        licenses.tree(licenses.components())


def test_the_command_lists_them_and_prints_them_in_full(cache, capsys):
    assert main(["licenses"]) == 0
    short = capsys.readouterr().out
    for words in ("Pyodide", "MPL-2.0", "onnxruntime-web", "selfie-general: Apache-2.0", "converted to ONNX"):
        assert words in short
    assert "PSF LICENSE AGREEMENT" not in short
    assert main(["licenses", "--full"]) == 0
    full = capsys.readouterr().out
    assert full.startswith(short)
    for words in (
        "PYTHON SOFTWARE FOUNDATION LICENSE",
        "Mozilla Public License",
        "NumPy Developers",
        "three.js authors",
    ):
        assert words in full
