"""The command line: each error is one sentence, and the server starts and stops as it should."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request

import cv2
import numpy as np
import pytest

from bodylens_server import checkout, node, reach, serve
from bodylens_server.command import COMMANDS, main, make_parser
from bodylens_server.doors import FINISH
from bodylens_server.errors import Failure


@pytest.fixture
def taken():
    """Give a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_one_sentence_with_a_way_out(cache, taken, capsys):
    assert main(["serve", "--port", str(taken)]) == 2
    told = capsys.readouterr().err
    assert told == (
        f"bodylens: port {taken} is in use: stop what runs there, or choose another, as in --port {taken + 1}\n"
    )


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_explained(host):
    with pytest.raises(Failure, match=rf"port 0 on {host} cannot be opened: [^()]+$"):
        reach.listen(host, 0)


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_there_is_not_is_explained(port, capsys):
    with pytest.raises(SystemExit):
        main(["serve", f"--port={port}"])
    assert f"there is no port {port}: choose one from 1 to 65535" in capsys.readouterr().err


def test_an_unknown_model_is_one_sentence(cache, capsys):
    assert main(["serve", "--port", "0", "--models", "selfie-generel"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bodylens: there is no model called 'selfie-generel'; did you mean selfie-general")
    assert told.count("\n") == 1


def without(modules, *arguments, seconds=120):
    """Run the command line where these modules are not installed."""
    code = (
        f"import sys; sys.modules |= dict.fromkeys({modules!r})\n"
        "from bodylens_server.command import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


# What brings what: pyproject.toml.
MODELS = ["flatbuffers", "onnx", "onnxruntime", "tflite"]
NATIVE = [*MODELS, "av", "cv2", "PIL"]
SERVER = [*NATIVE, "brotli", "cryptography", "psutil", "pyodide_lock", "segno", "starlette", "uvicorn"]


def test_every_extra_is_known_to_these_tests():
    names = {"opencv-python-headless": "cv2", "pillow": "PIL"}
    with (checkout.ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]

    def modules(extra):
        found = set()
        for line in extras[extra]:
            name = re.match(r"[\w-]+", line)[0]
            if name == "bodylens":
                found |= modules(re.search(r"\[(\w+)\]", line)[1])
            else:
                found.add(names.get(name, name.replace("-", "_")))
        return found

    for extra, known in {"models": MODELS, "native": NATIVE, "server": SERVER}.items():
        assert modules(extra) == set(known)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["models", "--help"], ["licenses"]], ids=" ".join
)
def test_help_needs_no_extra_and_comes_at_once(arguments):
    before = os.times()
    ended = without([*SERVER, "numpy"], *arguments)
    after = os.times()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "bodylens" in ended.stdout
    assert after.children_user - before.children_user < 1, "seconds of CPU: 0.1 on an idle machine"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_all_commands_says_what_that_of_one_does(name):
    lines = make_parser([name]).format_help(), make_parser([]).format_help()
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("lacking", "arguments", "module", "extra"),
    [
        (["starlette"], ["serve"], "starlette", "server"),
        (["brotli"], ["build", "out"], "brotli", "server"),
        (SERVER, ["serve"], "(starlette|brotli|uvicorn|cryptography|psutil)", "server"),
        (NATIVE, ["run", "picture.png"], "(av|cv2|PIL|onnxruntime)", "native"),
        (["onnx"], ["models", "fetch", "selfie-general"], "onnx", "models"),
        (MODELS, ["models", "import", "model.onnx"], "onnx(runtime)?", "models"),
    ],
)
def test_a_command_without_what_it_needs_names_the_extra(lacking, arguments, module, extra, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path / "cache"))
    if "BODYLENS_MIRROR" not in os.environ and "fetch" in arguments:
        pytest.skip("no mirror of the weights is named")
    cv2.imwrite("picture.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "model.onnx").write_bytes(b"a model")
    ended = without(lacking, *arguments)
    assert ended.returncode == 2
    assert re.search(
        rf'^bodylens: {arguments[0]} needs {module}, which is not installed: run pip install "bodylens\[{extra}\]"',
        ended.stderr,
        re.MULTILINE,
    ), ended.stderr
    assert "Traceback" not in ended.stderr


def test_models_are_listed_without_any_extra():
    ended = without([*SERVER, "numpy"], "models")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "selfie-general" in ended.stdout


def test_an_installed_package_says_that_the_page_needs_a_checkout(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkout, "WEB", tmp_path)
    for command in (["serve"], ["build", str(tmp_path / "out")]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert "run scripts/serve in a checkout" in told
        assert told.count("\n") == 1


def test_a_reader_who_has_heard_enough_is_no_error():
    command = [sys.executable, "-m", "bodylens_server.command", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait(timeout=120) == 0
        assert process.stderr.read() == ""


def test_a_missing_source_is_one_sentence(capsys, tmp_path):
    assert main(["run", str(tmp_path / "missing.jpg")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("bodylens: ")
    assert "missing.jpg" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--port", "many"]])
def test_wrong_arguments_show_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: bodylens" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(command in told for command in ("serve", "run", "models"))


def test_a_model_that_cannot_be_had_does_not_keep_the_server_from_starting(cache, monkeypatch, capsys):
    def ensure_all(wanted, progress=None):
        raise serve.store.ModelUnavailable(f"the model {wanted[0][0]} cannot be had")

    monkeypatch.setattr(serve.store, "ensure_all", ensure_all)
    serve.make_ready(["selfie-general"])
    assert "the model selfie-general cannot be had" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_server_says_where_it_is_serves_and_stops(stop):
    command = [sys.executable, "-m", "bodylens_server.command", "serve", "--port", "0", "--models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        told = ""
        while not (found := re.search(r"http://localhost:\d+", told)):
            line = process.stdout.readline()
            assert line, told
            told += line
        with urllib.request.urlopen(found[0] + "/health", timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"
        process.send_signal(stop)
        begun = time.monotonic()
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "bodylens has stopped." in told
    assert "Traceback" not in told
    assert time.monotonic() - begun < FINISH - 5


@pytest.mark.parametrize(("answer", "version"), [("v20.20.2", 20), ("v9.1.0", 9), ("what?", 0)])
def test_a_node_is_judged_by_its_answer(tmp_path, answer, version):
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)
    assert node.version(program) == version


def test_a_node_that_is_not_there_is_no_node(tmp_path):
    assert node.version(tmp_path / "node") == 0
