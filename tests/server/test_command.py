"""The command line: each error is one sentence, and the server starts and stops as it should."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from bodylens_server import node, reach, serve
from bodylens_server.command import main
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


def test_an_installation_without_what_the_commands_need_says_what_to_install():
    code = "import sys; sys.modules['starlette'] = None; import bodylens_server.command"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("bodylens: starlette")
    assert 'install bodylens with the extra "server"' in ended.stderr
    assert ended.stderr.count("\n") == 1


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
