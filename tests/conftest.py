"""What all tests share."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import pytest_rerunfailures
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# The same examples in every run, and on a slow machine too. To look for new ones: --hypothesis-profile=default
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """Run the browser tests last: they take longest, and playwright keeps an event loop running in this thread.

    What failed with a browser, or with a server's process, is tried once more: on a busy machine either may stumble.
    The summary names it as rerun.
    """
    items.sort(key=lambda item: item.path.is_relative_to(TESTS / "web"))
    for item in items:
        if item.path.is_relative_to(TESTS / "web") or item.path.is_relative_to(TESTS / "server"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_sessionstart(session):
    """Have what failed start from nothing when it is tried again."""
    session.config.pluginmanager.register(Anew(session))


class Anew:
    """Before a test is tried again, ends all that is kept for several tests: a browser or a server may have died."""

    def __init__(self, session):
        self.session = session

    def pytest_runtest_logreport(self, report):
        if report.outcome == "rerun":
            state = self.session._setupstate
            # The plugin has put away what is kept, to keep it.
            state.stack.update(pytest_rerunfailures.suspended_finalizers)
            pytest_rerunfailures.suspended_finalizers.clear()
            with contextlib.suppress(Exception):  # what has died cannot be ended in an orderly way
                state.teardown_exact(None)

    def pytest_terminal_summary(self, terminalreporter):
        for report in terminalreporter.stats.get("rerun", []):
            terminalreporter.section(f"why {report.nodeid} was tried again")
            terminalreporter.write_line(report.longreprtext)


class Served:
    """A `bodylens serve` of its own: its process, all that it has said so far, and its addresses.

    Without --models in its arguments it makes none ready first.
    """

    def __init__(self, arguments):
        command = [sys.executable, "-m", "bodylens_server.command", "serve", "--port", "0", *arguments]
        if "--models" not in arguments:
            command.append("--models")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.data = Path(os.environ["BODYLENS_DATA"]) if "BODYLENS_DATA" in os.environ else None
        self.told, self.errors = "", []
        self.listener = threading.Thread(target=lambda: self.errors.extend(self.process.stderr))
        self.listener.start()
        while "Ctrl-C stops it" not in self.told:
            line = self.process.stdout.readline()
            assert line, self.told + "".join(self.errors)
            self.told += line

    @property
    def addresses(self):
        return re.findall(r"(?:is at| and) (https?://\S+)", self.told)

    @property
    def address(self):
        return self.addresses[0]

    @property
    def phone(self):
        return re.search(r"network open (\S+) or scan", self.told)[1]

    def stop(self, number):
        """Send a signal, wait for the end, and give the exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self):
        """Wait for the end, and give the exit status."""
        with self.process:
            self.told += self.process.stdout.read()
            self.listener.join()
        return self.process.returncode


@pytest.fixture(scope="module")
def start_served():
    """Start servers that live as long as the module's tests: `start_served(*arguments)`."""
    with kept_servers() as start:
        yield start


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start servers: `serve(*arguments)`. Their certificates are kept in a folder of this test's own."""
    monkeypatch.setenv("BODYLENS_DATA", str(tmp_path / "data"))
    with kept_servers() as start:
        yield start


@contextlib.contextmanager
def kept_servers():
    started = []

    def start(*arguments):
        started.append(Served(arguments))
        return started[-1]

    yield start
    for served in started:
        if not served.process.stdout.closed:
            served.process.kill()
            served.end()
