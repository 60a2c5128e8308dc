"""The scripts on machines that lack something: one line that says what to install, and no half-made environment."""

import os
import shutil
import subprocess

import pytest

from bodylens_server import checkout

TOOLS = ["bash", "cat", "dirname", "sed", "id", "env"]


@pytest.fixture
def machine(tmp_path):
    """Give a checkout of the scripts alone and a PATH with a few tools; `run(python)` starts scripts/serve there."""
    place = tmp_path / "checkout"
    shutil.copytree(checkout.ROOT / "scripts", place / "scripts")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name))

    def run(python=None):
        if python:
            (tools / "python3").write_text(f"#!/usr/bin/env bash\n{python}\n")
            (tools / "python3").chmod(0o755)
        done = subprocess.run(
            [place / "scripts/serve"],
            env={"PATH": str(tools), "HOME": os.environ["HOME"]},
            capture_output=True,
            text=True,
        )
        assert not (place / ".venv").exists()
        return done

    return run


def test_a_machine_without_python_is_told_what_to_install(machine):
    done = machine()
    assert done.returncode == 1
    assert done.stderr.startswith("bodylens: Python 3.11 or later is needed: install it")
    assert done.stderr.count("\n") == 1


def test_an_old_python_is_not_enough(machine):
    # It fails whenever it is asked, as an older Python does when its version is compared.
    assert "Python 3.11 or later is needed" in machine("exit 1").stderr


def test_a_python_without_venv_is_told_which_package_brings_it(machine):
    done = machine('[[ "$2" != *venv* ]]')
    assert done.returncode == 1
    assert done.stderr.startswith(
        "bodylens: Python's venv module is missing: install it, on Debian and Ubuntu with: apt"
    )
    assert done.stderr.count("\n") == 1
