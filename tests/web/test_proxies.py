"""Below a path of a reverse proxy, whether it passes that path on or cuts it off: the whole page, to a drawn mask.

nginx and Caddy are set up as docs/serving.md says.
"""

import getpass
import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PREFIX = "/tools/bodylens"
DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
user {user};
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    {said}
  }}
}}
"""
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Handler(http.server.BaseHTTPRequestHandler):
    """Pass each request below PREFIX on, as a small reverse proxy does; elsewhere there is nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not (self.path == PREFIX or self.path.startswith((PREFIX + "/", PREFIX + "?"))):
            self.answer(404, {}, b"")
            return
        path = self.path.removeprefix(PREFIX) or "/" if self.server.cuts else self.path
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=300)
        headers = {**self.headers, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "http"}
        upstream.request("GET", path, headers=headers)
        got = upstream.getresponse()
        kept = {name: value for name, value in got.getheaders() if name.lower() not in HOP_BY_HOP}
        body = got.read()
        upstream.close()  # before the answer: a browser that has left makes that fail
        self.answer(got.status, kept, body)

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Proxy(http.server.ThreadingHTTPServer):
    daemon_threads = True
    cuts = False
    upstream = 0


@pytest.fixture(scope="module")
def served(start_served):
    return start_served("--prefix", PREFIX, "--models", "selfie-general")


@pytest.fixture(params=["passes the path on", "cuts the path off"])
def proxy(request, served):
    """Give the address of a proxy, without a slash at its end."""
    server = Proxy(("127.0.0.1", 0), Handler)
    server.cuts = request.param.startswith("cuts")
    server.upstream = urlsplit(served.address).port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def as_documented(program, port, upstream):
    """Give what docs/serving.md says of a program, with the addresses of this test."""
    (said,) = re.findall(rf"^```{program}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    said = said.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}").replace("/bodylens", PREFIX)
    return said.replace("pose.example.org", f"http://localhost:{port}")


def answers(port):
    """Tell whether somebody listens."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["nginx", "caddy"])
def real_proxy(request, served, tmp_path):
    """Give the address of a well-known proxy, without a slash at its end."""
    program = shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip(f"{request.param} is not on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = as_documented(request.param, port, urlsplit(served.address).port)
    config = tmp_path / "config"
    if request.param == "nginx":
        config.write_text(NGINX.format(folder=tmp_path, user=getpass.getuser(), port=port, said=said))
        command = [program, "-c", str(config), "-e", "stderr"]
    else:
        config.write_text("{\n  admin off\n}\n" + said)
        command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    log = tmp_path / "log.txt"
    with log.open("w") as output:
        own = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **own})
    end = time.monotonic() + 300
    while not answers(port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    yield f"http://localhost:{port}"
    process.terminate()
    process.wait(timeout=60)


def test_the_documented_proxies_lead_to_the_page_and_leave_its_promise_alone(visit, wait_state, real_proxy):
    opened = visit("?source=sample&backend=wasm", at=f"{real_proxy}{PREFIX}")  # and they add the slash
    wait_state(opened.page, "running", timeout=120)
    assert opened.page.url.startswith(f"{real_proxy}{PREFIX}/")
    assert opened.page.evaluate("crossOriginIsolated") is True
    assert opened.page.evaluate("fetch('https://example.org/').then(() => 'gone', () => 'refused')") == "refused"
    fetched = opened.page.evaluate("fetch('./').then((got) => got.headers.get('content-security-policy'))")
    assert "connect-src 'self'" in fetched


def test_the_whole_page_works_below_the_path(visit, wait_state, proxy):
    opened = visit("?source=camera&backend=wasm", at=f"{proxy}{PREFIX}/")
    page = opened.page
    wait_state(page, "running", timeout=120)
    assert page.evaluate("crossOriginIsolated") is True
    assert page.evaluate("bodylens.latest().people[0].score") > 0.5
    asked = [request.url for request in opened.requests if not request.url.startswith(("blob:", "data:"))]
    assert all(url.startswith(f"{proxy}{PREFIX}/") for url in asked)
    for part in ("/app/", "/ort/", "/pyodide/", "/models/"):
        assert any(url.startswith(f"{proxy}{PREFIX}{part}") for url in asked), part
    assert len(page.workers) >= 2
    assert all(worker.url.startswith(f"{proxy}{PREFIX}/") for worker in page.workers)
    # Where it would be installed as an application, that lies below the path as well.
    told = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((got) => got.json())")
    manifest = page.evaluate("document.querySelector('link[rel=manifest]').href")
    scope = page.evaluate("([scope, base]) => new URL(scope, base).href", [told["scope"], manifest])
    assert scope == f"{proxy}{PREFIX}/"
    assert not opened.errors


@pytest.mark.parametrize("proxy", ["passes the path on"], indirect=True)  # who cuts it off must add the slash as well
def test_the_path_without_its_slash_leads_to_the_page(visit, proxy):
    assert visit(at=f"{proxy}{PREFIX}").page.url == f"{proxy}{PREFIX}/"
