"""The log says what was asked and answered, and nothing about who asked."""

import io
import json
import re

import pytest
from starlette.testclient import TestClient

from bodylens_server import log
from bodylens_server.app import create_app

# What a request may tell about a person; none of it may be found in the log.
SECRETS = {
    "user-agent": "agent-of-a-person",
    "referer": "https://where.a.person.was/",
    "cookie": "session=of-a-person",
    "accept-language": "language-of-a-person",
    "x-forwarded-for": "198.51.100.77",
    "forwarded": "for=198.51.100.78",
    "authorization": "Basic cGVyc29u",
}


@pytest.fixture
def written(monkeypatch):
    """Start the log, `written("json")`, and give the stream."""

    def written(form):
        stream = io.StringIO()
        log.start(form, stream)
        return stream

    yield written
    log.start(None)


@pytest.fixture
def client(site, encodings):
    app = create_app(site, encodings, "/bodylens")
    with TestClient(app, client=("198.51.100.99", 4711), raise_server_exceptions=False) as client:
        yield client


def test_a_line_of_json_has_these_fields_and_no_others(client, written):
    stream = written("json")
    body = client.get("/bodylens/health").content
    entry = json.loads(stream.getvalue())
    assert list(entry) == ["time", "method", "path", "status", "bytes", "ms"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/bodylens/health", 200)
    assert entry["bytes"] == len(body)
    assert 0 <= entry["ms"] < 60_000


def test_a_line_of_text_has_the_same(client, written):
    stream = written("text")
    client.get("/health")
    assert re.fullmatch(r"\S+Z GET /health 200 \d+ B \d+\.\d ms\n", stream.getvalue())


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/bodylens"])
def test_nothing_personal_is_written(client, written, form, path):
    stream = written(form)
    client.get(f"{path}?source=file-of-a-person&q=198.51.100.76", headers=SECRETS, follow_redirects=False)
    told = stream.getvalue()
    assert told.count("\n") == 1
    assert "person" not in told
    assert "198.51.100" not in told
    assert "?" not in told
    assert "cGVyc29u" not in told


def test_no_path_can_forge_a_line(client, written):
    stream = written("text")
    client.get("/a%0a2026-01-31T12:00:00.000Z%20GET%20/forged%20200%200%20B%201.0%20ms")
    assert stream.getvalue().count("\n") == 1
    assert " /a%0a2026" in stream.getvalue()


def test_a_long_path_is_cut(client, written):
    stream = written("json")
    client.get("/" + "a" * 5000)
    assert len(json.loads(stream.getvalue())["path"]) == log.LONGEST


@pytest.mark.parametrize("target", [b"http://person:secret@host/x", b"*", b"person@example.com:443"])
def test_a_target_that_is_no_path_is_not_written(target):
    assert log.path_of(target) == "-"


def test_head_sends_no_bytes(client, written):
    stream = written("json")
    client.head("/")
    assert json.loads(stream.getvalue())["bytes"] == 0


def test_an_error_of_the_server_has_its_line_as_well(client, written, site, monkeypatch):
    def broken(address):
        raise RuntimeError("broken")

    monkeypatch.setattr(site, "lookup", broken)
    stream = written("json")
    answer = client.get("/anything")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert json.loads(stream.getvalue())["status"] == 500


def test_what_else_happens_is_json_too(written):
    stream = written("json")
    log.logging.getLogger("uvicorn.error").warning("Invalid %s received.", "request")
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["message"]) == ("warning", "Invalid request received.")


def test_without_a_log_nothing_is_written(client, written):
    stream = written(None)
    client.get("/health")
    assert stream.getvalue() == ""


def test_what_repeats_is_written_once_a_minute_with_its_count(client, written, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(log.Throttle.__init__, "__defaults__", (lambda: now[0],))
    stream = written("text")
    for second in range(61):
        now[0] = second
        log.logging.getLogger("asyncio").error("out of system resources\nsocket: %s", second)
        client.get("/health")
    lines = stream.getvalue().splitlines()
    assert sum("GET /health" in line for line in lines) == 61, "answers are all written"
    first, second = (line for line in lines if "out of system resources" in line)
    assert "more since" not in first
    assert lines[-2].endswith("socket: 60 (59 more since the last of these)")
    assert second


def test_the_memory_for_repeated_messages_is_bounded(written):
    throttle = log.Throttle()
    for number in range(3 * log.MAX_MESSAGES):
        throttle.filter(log.logging.LogRecord("asyncio", 40, "", 0, f"message {number}", (), None))
    assert len(throttle._written) <= log.MAX_MESSAGES + 1
