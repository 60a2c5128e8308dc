"""The examples for hosts ask for what this project has."""

import re
import shlex

import pytest
from starlette.testclient import TestClient

from bodylens_server import checkout
from bodylens_server.app import create_app
from bodylens_server.command import make_parser

EXAMPLES = checkout.ROOT / "docs" / "examples"


def commands(text):
    """Give the arguments of each `bodylens` command in a file, however it is written."""
    plain = re.sub(r"^CMD \[(.*)\]$", lambda found: found[1].replace(",", " "), text, flags=re.MULTILINE)
    lines = re.findall(r"\.venv/bin/bodylens\"? ([^&\n]*)", plain)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize(("name", "number"), [("github-pages.yml", 1), ("Dockerfile", 2)])
def test_each_command_is_one_that_there_is(name, number):
    found = commands((EXAMPLES / name).read_text())
    assert len(found) == number
    for arguments in found:
        make_parser().parse_args(arguments)


@pytest.mark.parametrize("name", ["github-pages.yml", "Dockerfile"])
def test_each_script_is_one_that_there_is(name):
    scripts = re.findall(r"\bscripts/\w+", (EXAMPLES / name).read_text())
    assert scripts
    assert all((checkout.ROOT / script).is_file() for script in scripts)


def test_what_is_built_is_what_is_published():
    text = (EXAMPLES / "github-pages.yml").read_text()
    (built,) = commands(text)
    assert f"path: {built[1]}\n" in text


def test_every_action_is_pinned_to_a_version():
    actions = re.findall(r"uses: (\S+)", (EXAMPLES / "github-pages.yml").read_text())
    assert len(actions) == 5
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", action) for action in actions)


def test_the_container_asks_for_its_health_where_the_server_tells_it(site, encodings):
    (path,) = re.findall(r"127\.0\.0\.1:8000(/\w+)'", (EXAMPLES / "Dockerfile").read_text())
    with TestClient(create_app(site, encodings)) as client:
        assert client.get(path).status_code == 200
        assert client.get(path).json()["status"] == "ok"
