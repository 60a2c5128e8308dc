"""`bodylens serve` as a process: https in the own network, certificates, the log, and how it ends."""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from bodylens_server import addresses, certificates, checkout
from bodylens_server.command import main
from bodylens_server.doors import FINISH

PHONES = 8
LARGE = checkout.ONNXRUNTIME / "ort-wasm-simd-threaded.wasm"
needs_network = pytest.mark.skipif(not addresses.find(), reason="this machine is in no network")


def fetch(address, trusted=None, headers=()):
    context = ssl.create_default_context(cadata=trusted) if trusted else None
    with urllib.request.urlopen(
        urllib.request.Request(address, headers=dict(headers)), timeout=60, context=context
    ) as got:
        return got.read()


def large(served, trusted=None):
    """Find the address of something large that every site has, LARGE."""
    text = fetch(served.address, trusted).decode()
    folder = re.search(r"&quot;ort&quot;: &quot;([^&]*)&quot;", text)[1]
    return f"{served.address}/{folder}{LARGE.name}"


@needs_network
def test_a_network_is_served_by_https_that_a_phone_may_trust(serve):
    served = serve("--lan")
    root = fetch(f"{served.phone}/bodylens.crt")
    certificate = x509.load_der_x509_certificate(root)
    assert certificate.fingerprint(certificates.hashes.SHA256()).hex(" ").upper() in served.told
    reached = 0
    for address in served.addresses:
        assert address.startswith("https://")
        if not address.partition("]")[0].rpartition(":")[0].endswith(".local"):  # mDNS may not be here
            assert json.loads(fetch(f"{address}/health", root))["status"] == "ok"
            reached += 1
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"{served.address}/health")
    assert reached == len(addresses.find())
    port = urlsplit(served.address).port
    assert json.loads(fetch(f"https://localhost:{port}/health", root))["status"] == "ok"


@needs_network
def test_the_root_outlives_the_server(serve):
    first = serve("--lan")
    root = fetch(f"{first.phone}/bodylens.crt")
    assert "Made a root certificate" in first.told
    assert first.stop(signal.SIGTERM) == 0
    second = serve("--lan")
    assert fetch(f"{second.phone}/bodylens.crt") == root
    assert "Made a root certificate" not in second.told
    fetch(f"{second.address}/health", root)


@needs_network
def test_several_phones_at_once_each_get_the_whole(serve):
    served = serve("--lan")
    root = fetch(f"{served.phone}/bodylens.crt")
    address = large(served, root)
    with concurrent.futures.ThreadPoolExecutor(PHONES) as phones:
        got = list(phones.map(lambda _: hashlib.sha256(fetch(address, root)).hexdigest(), range(PHONES)))
        pages = list(phones.map(lambda _: fetch(f"{served.address}/", root), range(PHONES)))
    whole = hashlib.sha256(LARGE.read_bytes()).hexdigest()
    assert got == [whole] * PHONES
    assert len(set(pages)) == 1


@needs_network
def test_the_terminal_shows_a_code_that_a_phone_can_read(scan, tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_DATA", str(tmp_path))
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "bodylens_server.command", "serve", "--lan", "--port", "0", "--models"]
    process = subprocess.Popen(command, stdout=follower, stderr=follower, stdin=follower)
    os.close(follower)
    told = b""
    try:
        while b"Ctrl-C stops it" not in told:
            assert select.select([leader], [], [], 60)[0], told
            told += os.read(leader, 65536)
        text = told.decode().replace("\r\n", "\n")
        page = re.search(r"network open (\S+) or scan", text)[1]
        assert scan(text) == page
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_without_a_network_there_is_nothing_to_serve_to(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BODYLENS_DATA", str(tmp_path))
    monkeypatch.setattr(addresses, "find", list)
    assert main(["serve", "--lan", "--port", "0"]) == 2
    assert capsys.readouterr().err == (
        "bodylens: this machine is in no network: connect it to a network that phones share, or leave out --lan\n"
    )


def test_an_address_of_another_machine_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BODYLENS_DATA", str(tmp_path))
    assert main(["serve", "--lan", "--host", "198.51.100.1", "--port", "0"]) == 2
    assert "198.51.100.1 is no address of this machine in a network" in capsys.readouterr().err


@needs_network
def test_the_port_for_phones_may_be_taken(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BODYLENS_DATA", str(tmp_path))
    with neighbour() as port:
        assert main(["serve", "--lan", "--port", str(port - 1), "--models"]) == 2
    assert f"the page for phones needs the next port as well, and port {port} is in use" in capsys.readouterr().err


@contextlib.contextmanager
def neighbour():
    """Take a port that has a free one before it."""
    for _ in range(100):
        with socket.create_server(("", 0)) as taken:
            port = taken.getsockname()[1]
            try:
                socket.create_server(("", port - 1)).close()
            except OSError:
                continue
            yield port
            return
    pytest.fail("no two free ports lie side by side")


def test_a_certificate_of_ones_own_is_served(serve, own):
    certificate, key, root = own
    served = serve("--cert", str(certificate), "--key", str(key))
    assert served.address.startswith("https://localhost:")
    assert json.loads(fetch(f"{served.address}/health", root))["status"] == "ok"
    assert "certificate" not in served.told


def test_a_certificate_without_its_key_is_one_sentence(own, capsys):
    assert main(["serve", "--cert", str(own[0])]) == 2
    told = capsys.readouterr().err
    assert told == "bodylens: --cert and --key go together: name the certificate and its private key\n"


def test_a_fault_of_a_certificate_is_told_before_any_work(own, capsys, tmp_path):
    other = certificates.make_leaf(certificates.make_root("desk", [], []), ["localhost"])
    (tmp_path / "other.key").write_bytes(other.pem)
    assert main(["serve", "--cert", str(own[0]), "--key", str(tmp_path / "other.key"), "--port", "0"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"bodylens: --key {tmp_path / 'other.key'} is not the key of --cert")
    assert told.count("\n") == 1


def test_every_address_is_shown_where_it_listens_on_all(serve):
    served = serve("--host", "0.0.0.0")
    shown = [urlsplit(address).hostname for address in served.addresses]
    assert shown == ["localhost", *(str(address) for address in addresses.find() if address.version == 4)]
    for address in served.addresses:
        assert json.loads(fetch(f"{address}/health"))["status"] == "ok"
    if len(shown) > 1:
        assert "try --lan" in served.told


@pytest.mark.parametrize("prefix", ["bodylens", "/a b", "/../x", "//x", "/x/./y", "/?"])
def test_a_prefix_that_is_no_path_is_explained(prefix, capsys):
    with pytest.raises(SystemExit):
        main(["serve", f"--prefix={prefix}"])
    assert "is no path: write it as in --prefix /bodylens" in capsys.readouterr().err


def test_a_prefix_is_part_of_the_address(serve):
    served = serve("--prefix", "/tools/bodylens/")
    assert served.address.endswith("/tools/bodylens/")
    assert json.loads(fetch(f"{served.address}health"))["status"] == "ok"


def test_the_log_is_on_standard_error_line_by_line(serve):
    served = serve("--log", "json")
    fetch(f"{served.address}/health?who=a-person", headers={"user-agent": "a-person"}.items())
    assert served.stop(signal.SIGTERM) == 0
    (line,) = served.errors
    assert json.loads(line)["path"] == "/health"
    assert "127.0.0.1" not in line
    assert "person" not in line


def wait_refused(address):
    """Wait until nobody new is let in. One who waited at the door as it closed is reset: the next is refused."""
    parts = urlsplit(address)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with contextlib.suppress(ConnectionResetError, TimeoutError):
                socket.create_connection((parts.hostname, parts.port), timeout=10).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)  # as many as come without a pause may be more than a busy server has room for
    pytest.fail("new connections are still taken")


class Slow:
    """A client that has asked for a large file and takes its time."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.socket = socket.socket()
        # Else all of the file may lie in the system's buffers, and the server has nothing more to do.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()
        self.digest = hashlib.sha256(self.answer.read(1000))

    def rest(self):
        """Take the rest, and give the hash of the whole."""
        with self.socket, self.answer:
            return self._rest()

    def _rest(self):
        while piece := self.answer.read(1 << 20):
            self.digest.update(piece)
        return self.digest.hexdigest()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_under_way_is_finished_before_it_stops(serve, number):
    served = serve()
    address = large(served)
    slow = Slow(address)
    served.process.send_signal(number)
    assert "Finishing 1 answer, for" in served.process.stdout.readline()
    wait_refused(address)
    assert slow.rest() == hashlib.sha256(LARGE.read_bytes()).hexdigest()
    assert served.end() == 0
    assert served.told.endswith("bodylens has stopped.\n")
    assert served.errors == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once_and_says_what_was_cut_off(serve, number):
    served = serve()
    slow = Slow(large(served))
    served.process.send_signal(number)
    assert "Finishing 1 answer" in served.process.stdout.readline()
    begun = time.monotonic()
    assert served.stop(number) == 1
    assert time.monotonic() - begun < FINISH - 5, "it did not wait for what is under way"
    assert served.told.endswith("bodylens has stopped; 1 answer was cut off.\n")
    with contextlib.suppress(OSError, http.client.IncompleteRead):
        assert slow.rest() != hashlib.sha256(LARGE.read_bytes()).hexdigest()


@needs_network
def test_a_network_server_stops_as_well_with_phones_connected(serve):
    served = serve("--lan")
    root = fetch(f"{served.phone}/bodylens.crt")
    parts = urlsplit(served.address)
    phone = http.client.HTTPSConnection(
        parts.hostname, parts.port, context=ssl.create_default_context(cadata=root), timeout=60
    )
    phone.request("GET", "/health")
    phone.getresponse().read()
    begun = time.monotonic()
    assert served.stop(signal.SIGINT) == 0
    assert time.monotonic() - begun < FINISH - 5, "a phone that sleeps keeps nobody waiting"
    phone.close()
    assert served.told.endswith("bodylens has stopped.\n")


def test_all_is_compressed_before_it_is_ready(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path / "cache"))
    before = os.times()
    served = serve()
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "encoded").iterdir()}
    assert "Compressing the page's files, once" in served.told
    request = urllib.request.Request(large(served), headers={"accept-encoding": "br"})
    with urllib.request.urlopen(request, timeout=60) as got:
        assert got.headers["content-encoding"] == "br"
        assert len(got.read()) < 0.2 * LARGE.stat().st_size
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "encoded").iterdir()} == made
    assert served.stop(signal.SIGTERM) == 0
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 80, "seconds of CPU: some 15, on a slow machine 30; with quality 11 it was 400"
    assert "Compressing" not in serve().told
