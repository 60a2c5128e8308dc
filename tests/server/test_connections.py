"""Connections: their bound, how long they may keep the server waiting, and that no answer waits for a confirmation."""

import contextlib
import resource
import signal
import socket
import ssl
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bodylens_server import connections, reach
from bodylens_server.doors import Door, Doors

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
DESCRIPTORS = 128
MANY = 300


@contextlib.contextmanager
def running(body=b"hello", limit=None):
    """Serve `body` in a thread; give the port and the doors."""
    app = Starlette(routes=[Route("/", lambda request: Response(body))])
    listener = reach.listen("127.0.0.1", 0)
    doors = Doors([Door(listener, app)], print)
    if limit:
        doors._places.limit = limit
    thread = threading.Thread(target=doors.run)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield port, doors
    finally:
        doors._stop(signal.SIGTERM, None)
        thread.join()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def read_to_end(connection):
    """Read until the other side closes; it may do so with a reset."""
    found = []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 20):
            found.append(piece)
    return b"".join(found)


def ask(port):
    with connect(port) as connection:
        connection.sendall(REQUEST.replace(b"Host", b"Connection: close\r\nHost"))
        return read_to_end(connection)


def test_no_answer_waits_for_a_confirmation_of_its_beginning():
    with running() as (port, doors), connect(port) as connection:
        connection.sendall(REQUEST)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        (served,) = doors._servers[0].server_state.connections
        assert served.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "begun", [b"", REQUEST[:20], REQUEST + REQUEST[:20], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n"]
)
def test_who_asks_nothing_is_let_go(begun, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.5)
    with running() as (port, _), connect(port) as connection:
        connection.sendall(begun)
        assert read_to_end(connection).count(b"200 OK") == begun.count(b"\r\n\r\n")


def test_a_header_that_trickles_in_is_no_request(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.5)
    with running() as (port, _), connect(port) as connection:
        connection.sendall(REQUEST[:-2])
        begun, sent = time.monotonic(), 0
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 120:
                connection.sendall(b"x-more: y\r\n")
                sent += 1
                connection.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(100):
                        break
        assert time.monotonic() - begun < 120
        assert sent


def test_who_takes_nothing_of_an_answer_is_let_go(monkeypatch):
    monkeypatch.setattr(connections, "STALL_TIMEOUT", 3.0)
    with running(bytes(32 << 20)) as (port, doors):
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            connection.connect(("127.0.0.1", port))
            connection.sendall(REQUEST)
            assert connection.recv(12) == b"HTTP/1.1 200"
            while doors._servers[0].server_state.connections:
                threading.Event().wait(0.05)
        assert len(ask(port)) > 32 << 20, "who takes it gets all of it"


def test_when_all_places_are_taken_the_longest_idle_one_goes():
    with running(limit=3) as (port, _), contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(port)) for _ in range(3)]
        idle[0].sendall(REQUEST)
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200"), "it has asked, so it has waited least"
        assert b"hello" in ask(port)
        assert read_to_end(idle[1]) == b""


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_thousand_half_open_connections_keep_nobody_out(serve, own, secure, monkeypatch):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    arguments = ("--cert", str(own[0]), "--key", str(own[1])) if secure else ()
    # What a process starts has its limits, and the hard one cannot be raised again: so a shell lowers it.
    monkeypatch.setattr("sys.executable", limited(own[0].parent, DESCRIPTORS))
    served = serve(*arguments)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    parts = urlsplit(served.address)
    context = ssl.create_default_context(cadata=own[2]) if secure else None
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(connect(parts.port)).sendall(b"" if secure else b"GET / HT")
        for _ in range(3):
            with urllib.request.urlopen(f"{served.address}/health", timeout=120, context=context) as answer:
                assert answer.status == 200
    assert served.stop(signal.SIGTERM) == 0
    told = "".join(served.errors)
    assert "Traceback" not in told
    assert told.count("\n") < 20


def limited(folder, descriptors):
    """Write a program that is this Python with so few descriptors."""
    import sys

    program = folder / "python"
    program.write_text(f'#!/bin/sh\nulimit -n {descriptors}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_a_request_to_upgrade_is_answered_however_long(serve):
    parts = urlsplit(serve().address)
    for length in (3, 30_000):
        with connect(parts.port) as connection:
            connection.sendall(
                b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert connection.recv(12) in (b"HTTP/1.1 404", b"HTTP/1.1 400")


def test_places_are_fewer_than_descriptors(monkeypatch):
    known = {"limit": (256, 512)}
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: known["limit"])
    monkeypatch.setattr(connections.resource, "setrlimit", lambda _, limit: known.update(limit=limit))
    assert connections.max_connections() == (512 - connections.RESERVED_DESCRIPTORS) // 2
    known["limit"] = (1024, 1 << 20)
    assert connections.max_connections() == connections.MAX_CONNECTIONS
    assert 2 * connections.MAX_CONNECTIONS < known["limit"][0] < 1 << 12
