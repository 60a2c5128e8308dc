"""The wheels, as files and in the Python that they are made for: Pyodide, under node."""

import base64
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from bodylens_server import checkout, lock, node, wheels
from bodylens_server.errors import Failure


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check_record(path):
    """Hold a wheel's RECORD against its files."""
    files = contents(path)
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    told = dict(line.split(",", 1) for line in files[record].decode().splitlines())
    assert told.keys() == files.keys()
    for name, data in files.items():
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert told[name] == f"sha256={digest},{len(data)}", name


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "sources" / "bodylens"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__init__.py").write_text("answer = 42\n")
    (folder / "py.typed").touch()
    (folder / "__pycache__" / "old.pyc").write_bytes(b"old")
    return folder


def test_the_same_sources_give_the_same_wheel(package):
    first = wheels.pack(package, "1.0")
    (package / "__init__.py").touch()
    assert wheels.pack(package, "1.0") == first
    (package / "__init__.py").write_text("answer = 43\n")
    assert wheels.pack(package, "1.0") != first


def test_our_wheel_holds_the_package_and_nothing_else(package, tmp_path):
    path = tmp_path / "bodylens-1.0-cp314-none-any.whl"
    path.write_bytes(wheels.pack(package, "1.0"))
    assert set(contents(path)) == {
        "bodylens/__init__.py",
        "bodylens/py.typed",
        "bodylens-1.0.dist-info/METADATA",
        "bodylens-1.0.dist-info/WHEEL",
        "bodylens-1.0.dist-info/RECORD",
    }
    check_record(path)


def test_our_numpy_says_that_it_is_not_the_official_file():
    path = wheels.numpy_wheel()
    name, number, build, *_ = path.name.split("-")
    assert build == "1bodylens"
    files = contents(path)
    assert f"Build: {build}\n" in files[f"{name}-{number}.dist-info/WHEEL"].decode()
    check_record(path)
    official = json.loads((checkout.PYODIDE / "pyodide-lock.json").read_text())["packages"]["numpy"]
    assert (path.name, wheels.Wheel(path).sha256) != (official["file_name"], official["sha256"])
    assert wheels.Wheel(path).version == official["version"]


def test_the_readme_tells_the_sha256_of_the_numpy_beside_it():
    path = wheels.numpy_wheel()
    readme = (checkout.WHEELS / "README.md").read_text()
    assert wheels.Wheel(path).sha256 in readme
    assert path.name in readme


def test_retagging_changes_the_tag_and_nothing_else(tmp_path):
    spec = importlib.util.spec_from_file_location("retag", checkout.WHEELS / "retag.py")
    retag = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(retag)
    source = tmp_path / "numpy-1.0-cp314-cp314-any.whl"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("numpy/__init__.py", "")
        archive.writestr("numpy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp314-cp314-any\n")
        archive.writestr(
            "numpy-1.0.dist-info/RECORD",
            "numpy/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
            "numpy-1.0.dist-info/WHEEL,sha256=old,1\nnumpy-1.0.dist-info/RECORD,,\n",
        )
    target = retag.retag(source, "1ours", tmp_path)
    assert target.name == "numpy-1.0-1ours-cp314-cp314-any.whl"
    assert contents(target)["numpy-1.0.dist-info/WHEEL"] == b"Wheel-Version: 1.0\nBuild: 1ours\nTag: cp314-cp314-any\n"
    check_record(target)


def test_a_folder_without_numpy_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, "WHEELS", tmp_path)
    with pytest.raises(Failure, match="should hold one numpy wheel, but holds 0"):
        wheels.numpy_wheel()


def test_a_broken_source_is_named(cache, package, monkeypatch):
    (package / "broken.py").write_text("def broken(:\n")
    monkeypatch.setattr(checkout, "PYSRC", package.parent)
    with pytest.raises(Failure, match=r"(?s)could not be compiled.*broken\.py.*SyntaxError") as caught:
        wheels.compile_archives([wheels.own_wheel()])
    assert len(str(caught.value)) < 2500


def test_without_any_node_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(node, "candidates", lambda: iter([Path("/nowhere/node"), Path(sys.executable)]))
    node.find.cache_clear()
    with pytest.raises(Failure, match="no node of version 20 or later was found: install one"):
        node.find()
    node.find.cache_clear()


def test_without_a_package_index_there_is_no_micropip(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert wheels.micropip_wheel() is None


@pytest.fixture(scope="session")
def built():
    """Build in the real cache, as the server does."""
    return wheels.build()


@pytest.fixture(scope="session")
def served(built, tmp_path_factory):
    """Lay out a folder as the server serves it."""
    folder = tmp_path_factory.mktemp("pyodide")
    for path in [*(wheel.path for wheel in built.wheels), *built.later]:
        shutil.copy(path, folder)
    (folder / "pyodide-lock.json").write_bytes(lock.make_lock(built.wheels))
    return folder


@pytest.fixture
def pyodide():
    """Run Python in Pyodide under node, after loading packages; the program ends in an expression that is JSON."""

    def pyodide(folder, library, packages, program, *later):
        script = Path(__file__).with_name("wheels.mjs")
        command = [node.find(), script, checkout.PYODIDE, folder, library, packages, *later]
        done = subprocess.run([str(part) for part in command], input=program, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return pyodide


def test_compiled_archives_hold_no_source_and_are_stored(built):
    compiled = [wheel.path for wheel in built.wheels if wheel.name != "micropip"]
    for path in [built.standard_library, *built.later, *compiled]:
        with zipfile.ZipFile(path) as archive:
            assert not [name for name in archive.namelist() if name.endswith(".py")]
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    for wheel in built.wheels:
        check_record(wheel.path)


def test_what_comes_later_and_what_comes_first_are_all_that_there_was(built):
    for source, parts in (
        (checkout.PYODIDE / "python_stdlib.zip", [built.standard_library, built.later[0]]),
        (wheels.numpy_wheel(), [built.wheels[0].path, built.later[1]]),
    ):
        names = [name.replace(".pyc", ".py") for part in parts for name in contents(part)]
        assert len(names) == len(set(names))
        added = set(names) - set(contents(source))
        assert {name.split("/")[0] for name in added} <= {"later.txt"}
        assert not [name for name in contents(source) if name not in names and not name.endswith("/")]
        first, later = (path.stat().st_size for path in parts)
        assert first < 0.7 * (first + later)


def test_a_second_build_finds_everything_in_the_cache(monkeypatch):
    built = wheels.build()

    def forbidden(*_, **__):
        raise AssertionError("something was made again")

    monkeypatch.setattr(wheels.subprocess, "run", forbidden)
    assert wheels.build().standard_library == built.standard_library


def test_the_lock_names_only_what_is_served(built):
    made = json.loads(lock.make_lock(built.wheels))
    original = json.loads((checkout.PYODIDE / "pyodide-lock.json").read_text())
    assert made["info"] == original["info"]
    assert set(made["packages"]) == built.names
    for wheel in built.wheels:
        told = made["packages"][wheel.name]
        assert "/" not in told["file_name"]
        assert told["sha256"] == hashlib.sha256(wheel.path.read_bytes()).hexdigest()
    assert made["packages"]["bodylens"]["depends"] == ["numpy"]


WHERE = """
import json, pkgutil, sys, types, zipimport, importlib.metadata as metadata
import numpy, bodylens, collections
sys.modules["bodylens_engine"] = types.ModuleType("bodylens_engine")
wanted = []
class Wanted:
    def find_spec(name, path=None, target=None):
        wanted.append(name)
sys.meta_path.append(Wanted)
for part in pkgutil.walk_packages(bodylens.__path__, "bodylens."):
    if ".native" not in part.name:
        __import__(part.name)
archive = "/lib/python314.zip"
try:
    later = zipimport.zipimporter(archive).get_data(archive + "/later.txt").decode().split()
except OSError:
    later = []  # Pyodide's own archive is whole
json.dumps({
    "later": [name for name in wanted if name in later or name.startswith("numpy")],
    "numpy": numpy.__file__, "bodylens": bodylens.__file__, "library": collections.__file__,
    "versions": [numpy.__version__, metadata.version("bodylens")],
    "outside": sorted(
        name for name, module in sys.modules.items() if str(getattr(module.__spec__, "origin", None)).endswith(".py")
    ),
})
"""


def test_what_is_imported_in_the_page_is_compiled_code(pyodide, built, served):
    told = pyodide(served, built.standard_library, "numpy,bodylens", WHERE)
    assert told["numpy"] == "/lib/python3.14/site-packages/numpy/__init__.pyc"
    assert told["bodylens"] == "/lib/python3.14/site-packages/bodylens/__init__.pyc"
    assert told["library"] == "/lib/python314.zip/collections/__init__.pyc"
    assert told["versions"] == ["2.4.6", version("bodylens")]
    assert told["outside"] == []
    assert told["later"] == []


def test_compiled_code_is_faster_than_sources(pyodide, built, served, tmp_path, capsys):
    plain = [wheels.Wheel(wheels.numpy_wheel()), wheels.Wheel(wheels.own_wheel())]
    for wheel in plain:
        shutil.copy(wheel.path, tmp_path)
    (tmp_path / "pyodide-lock.json").write_bytes(lock.make_lock(plain))
    slow = pyodide(tmp_path, checkout.PYODIDE / "python_stdlib.zip", "numpy,bodylens", WHERE)["times"]
    fast = pyodide(served, built.standard_library, "numpy,bodylens", WHERE)["times"]
    with capsys.disabled():
        print(f"\n  processor milliseconds in Pyodide: from sources {slow}, compiled {fast}")
    assert sum(fast.values()) < sum(slow.values())


LATER = """
import json, sys
import {first}
before = "xml.dom.minidom" in sys.modules
import asyncio.locks, concurrent.futures.thread, html.entities, unittest.mock, xml.dom.minidom, zoneinfo
import numpy as np
told = [
    xml.dom.minidom.parseString("<a><b/></a>").documentElement.firstChild.tagName,
    html.entities.html5["amp;"],
    concurrent.futures.thread.__file__,
    np.fft.fft([1.0, 0.0]).real.tolist(), np.random.default_rng(0).integers(9, size=2).size,
    np.ma.masked_less([1, 2], 2).sum().item(), np.char.upper("a").item(), np.testing.assert_equal(1, 1),
    np.polynomial.Polynomial([1, 2])(1),
]
try:
    import nothing_of_this_name
except ModuleNotFoundError as error:
    told.append(error.name)
json.dumps({{"told": told}})
"""


@pytest.mark.parametrize("first", ["collections", "xml", "concurrent.futures.thread", "numpy.random"])
def test_what_comes_later_is_there_when_it_is_imported(pyodide, built, served, first):
    told = pyodide(served, built.standard_library, "numpy", LATER.format(first=first), "later")["told"]
    thread = "/lib/python314.zip/concurrent/futures/thread.pyc"
    assert told == ["b", "&", thread, [1, 1], 2, 2, "A", None, 3, "nothing_of_this_name"]


def test_without_a_network_the_error_says_what_is_missing(pyodide, built, tmp_path, served):
    program = (
        "import json\ntry:\n    import xml\nexcept ImportError as e:\n    told = str(e)\njson.dumps({'told': told})"
    )
    library = tmp_path / "python_stdlib.zip"
    shutil.copy(built.standard_library, library)
    told = pyodide(served, library, "numpy", program)["told"]
    assert told.startswith("xml cannot be loaded now: its part of the standard library is not on this device")


NUMBERS = Path(__file__).with_name("numpy_checks.py").read_text()


def test_our_numpy_computes_right(pyodide, built, served):
    told = pyodide(served, built.standard_library, "numpy", NUMBERS, "later")
    assert told["version"] == "2.4.6"
    assert "mismatch" in told["told"]


def test_micropip_is_served_for_what_a_person_installs(pyodide, built, served):
    if "micropip" not in built.names:
        pytest.skip("micropip could not be downloaded here")
    program = "import json, micropip; json.dumps({'there': sorted(micropip.list())})"
    told = pyodide(served, built.standard_library, "numpy,micropip", program, "later")
    assert told["there"] == ["micropip", "numpy"]
