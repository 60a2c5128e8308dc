"""The page and each of its workers try every way out to another origin: on our server and on a bare static host.

What they try to reach records every connection and every datagram. The last tests show that it would have known.
"""

import socket
import threading
import time
from contextlib import suppress

import pytest
from waiting import until

SAMPLE = "?source=sample&effect=cutout&backend=wasm"

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Cross-Origin-Resource-Policy: cross-origin\r\nConnection: close\r\n\r\n"
)

# What tells nobody how it ended: only the other side knows.
SILENT = {"sendBeacon", "form", "icon", "manifest", "frame", "object", "prefetch", "modulepreload", "video"}
# What page and workers share. Each address names its attempt; an attempt tells how it ended.
COMMON = """
  const from = (target, done) => new Promise((resolve, reject) => {
    target[done] = resolve;
    target.onerror = () => reject(new Error("refused"));
  });
  const attempts = {
    fetch: (to) => fetch(to, { mode: "no-cors" }),
    post: (to) => fetch(to, { mode: "no-cors", method: "POST", body: "a picture", keepalive: true }),
    XMLHttpRequest: (to) => {
      const request = new XMLHttpRequest();
      request.open("GET", to);
      request.send();
      return from(request, "onload");
    },
    WebSocket: (to) => from(new WebSocket(to.replace("http", "ws")), "onopen"),
    EventSource: (to) => from(new EventSource(to), "onopen"),
    import: (to) => import(to),
    Worker: (to) => from(new Worker(to), "onmessage"),
    blobWorker: (to) => {
      const script = new Blob([`fetch("${to}", { mode: "no-cors" }).then(() => postMessage("out"))`]);
      return from(new Worker(URL.createObjectURL(script)), "onmessage");
    },
    WebTransport: (to) => new WebTransport(to.replace("http:", "https:")).ready,
  };
"""
RUN = """
  const ended = {};
  const silent = SILENT;
  await Promise.all(Object.entries(attempts).map(async ([name, attempt]) => {
    const late = new Promise((resolve) => setTimeout(resolve, silent.includes(name) ? 4000 : 60_000, "no answer"));
    const done = (async () => attempt(elsewhere + name))().then(() => "went through", () => "refused");
    ended[name] = await Promise.race([done, late]);
  }));
  return ended;
""".replace("SILENT", str(sorted(SILENT)))
IN_WORKER = f"""async (elsewhere) => {{
  {COMMON}
  attempts.importScripts = async (to) => importScripts(to);
  {RUN}
}}"""
IN_PAGE = f"""async (elsewhere) => {{
  {COMMON}
  const put = (tag, attributes) => {{
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    const ended = from(element, "onload");
    document.body.append(element);
    return ended;
  }};
  Object.assign(attempts, {{
    image: (to) => put("img", {{ src: to }}),
    video: (to) => from(Object.assign(document.createElement("video"), {{ src: to }}), "onloadeddata"),
    script: (to) => put("script", {{ src: to }}),
    stylesheet: (to) => put("link", {{ rel: "stylesheet", href: to }}),
    prefetch: (to) => put("link", {{ rel: "prefetch", href: to }}),
    modulepreload: (to) => put("link", {{ rel: "modulepreload", href: to }}),
    icon: (to) => put("link", {{ rel: "icon", href: to }}),
    manifest: (to) => put("link", {{ rel: "manifest", href: to }}),
    frame: (to) => put("iframe", {{ src: to }}),
    object: (to) => put("object", {{ data: to }}),
    sendBeacon: (to) => navigator.sendBeacon(to, "a picture"),
    font: (to) => new FontFace("elsewhere", `url(${{to}})`).load(),
    webrtc: async (to) => {{
      const urls = to.replace("http://", "stun:").split("/")[0];
      const connection = new RTCPeerConnection({{ iceServers: [{{ urls }}] }});
      connection.createDataChannel("pictures");
      await connection.setLocalDescription();
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }},
    form: (to) => {{
      const form = Object.assign(document.createElement("form"), {{ action: to, method: "post" }});
      document.body.append(form);
      form.submit();
    }},
  }});
  {RUN}
}}"""

PYTHON = """
import asyncio, js
from pyodide.http import pyfetch
from pyodide.code import run_js

async def install(address):
    import pyodide_js
    await pyodide_js.loadPackage("micropip")
    import micropip
    await micropip.install(address + "-1.0-py3-none-any.whl")

async def request(address):
    call = js.XMLHttpRequest.new()
    call.open("GET", address, False)
    call.send()

async def library(address):
    import urllib.request
    urllib.request.urlopen(address)

async def script(address):
    run_js(f"fetch('{address}')")

attempts = {"jsfetch": js.fetch, "pyfetch": pyfetch, "micropip": install, "request": request, "urllib": library,
            "run_js": script}
ended = {}
for name, attempt in attempts.items():
    try:
        await attempt(ELSEWHERE + name)
        ended[name] = "went through"
    except Exception as error:
        ended[name] = type(error).__name__
ended
"""


class Recorder:
    """Another origin: it answers whoever comes, over TCP, and remembers who did, over UDP as well."""

    def __init__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:  # until a port is free for both
            self.tcp = socket.create_server(("127.0.0.1", 0))
            port = self.tcp.getsockname()[1]
            try:
                self.udp.bind(("127.0.0.1", port))
                break
            except OSError:
                self.tcp.close()
        self.address = f"http://127.0.0.1:{port}/"
        self.port = port
        self.came = []
        for work in (self.accept, self.receive):
            threading.Thread(target=work, daemon=True).start()

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, suppress(OSError):
            connection.settimeout(60)
            place = len(self.came)
            self.came.append("a connection without a word")
            line = connection.recv(65536).decode("latin-1").split("\r\n", 1)[0]
            self.came[place] = line
            connection.sendall(ANSWER)

    def receive(self):
        with suppress(OSError):
            while True:
                self.udp.recvfrom(65536)
                self.came.append("a datagram")

    def close(self):
        self.tcp.close()
        self.udp.close()


@pytest.fixture
def elsewhere():
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(params=["our server", "a bare static host"])
def opened(request, visit, wait_state):
    """Give a page that runs, with its workers and the one for a person's own code."""
    at = None if request.param == "our server" else request.getfixturevalue("host").address
    opened = visit(SAMPLE, at=at)
    wait_state(opened.page, "running")
    assert opened.page.evaluate("bodylens.python('6 * 7')") == 42
    return opened


def test_no_worker_reaches_another_origin(opened, elsewhere):
    # The threads of onnxruntime wait inside wasm, and can be asked nothing.
    workers = [
        worker for worker in opened.page.workers if worker.url.endswith(("engine/worker.js", "python/worker.js"))
    ]
    assert len(workers) == 3, "the engine, the live Python, and that of a person's own code"
    for worker in workers:
        ended = worker.evaluate(IN_WORKER, elsewhere.address)
        assert set(ended.values()) == {"refused"}, (worker.url, ended)
    assert elsewhere.came == []


def test_no_python_reaches_another_origin(opened, elsewhere):
    ended = opened.page.evaluate(
        "(code) => bodylens.python(code)", PYTHON.replace("ELSEWHERE", repr(elsewhere.address))
    )
    assert len(ended) == 6
    assert "went through" not in ended.values(), ended
    assert "ModuleNotFoundError" not in ended.values(), "micropip was not there to try"
    assert elsewhere.came == []


def test_the_page_reaches_no_other_origin(opened, elsewhere):
    page = opened.page
    ended = page.evaluate(IN_PAGE, elsewhere.address)
    told = {name: how for name, how in ended.items() if name not in SILENT}
    assert set(told.values()) == {"refused"}, told
    page.wait_for_timeout(1000)  # what tells nobody how it ended may take a moment
    # For a frame and a form Chromium opens a connection before it asks the policy, and then sends not one byte over it;
    # and another each where the first takes long.
    assert len(elsewhere.came) <= 4, elsewhere.came
    assert set(elsewhere.came) <= {"a connection without a word"}
    assert page.url.startswith("http://localhost"), "no form has led away"
    until(page, "document.querySelector('#privacy-badge').innerText === 'Private: an attempt to connect was refused'")


def test_the_other_origin_would_have_known(visit, built, host, elsewhere):
    (built / "open.html").write_text("<!doctype html><body>a page without a policy, outside the site")
    page = visit(at=host.address.replace("below/a%20path/", "open.html")).page
    page.evaluate(IN_PAGE.replace("form.submit()", "return"), elsewhere.address)
    wanted = ["fetch", "post", "XMLHttpRequest", "WebSocket", "EventSource", "import", "blobWorker", "image", "video"]
    wanted += ["script", "stylesheet", "prefetch", "frame", "object", "sendBeacon", "font"]
    end = time.monotonic() + 120
    while "a datagram" not in elsewhere.came:
        assert time.monotonic() < end, "WebRTC was not recorded"
        page.wait_for_timeout(100)
    while missing := [name for name in wanted if not any(f"/{name} " in line for line in elsewhere.came)]:
        assert time.monotonic() < end, f"{missing} were not recorded among {elsewhere.came}"
        page.wait_for_timeout(100)
