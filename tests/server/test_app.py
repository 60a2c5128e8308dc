"""The live server, as browsers and as attackers see it."""

import gzip
import http.client
import threading
from importlib.metadata import version

import brotli
import pytest
import uvicorn
from starlette.testclient import TestClient

from bodylens_server.app import HEADERS, create_app
from bodylens_server.encoding import CODINGS

# What the small web folder holds: see conftest.py.
MAIN = "// a program\n" * 100
VIDEO = bytes(range(256)) * 40

ATTACKS = [
    "/../pyproject.toml",
    "/app/../../pyproject.toml",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%252e%252e/etc/passwd",
    "/..%2fetc%2fpasswd",
    "/..\\etc\\passwd",
    "/%5c..%5cetc%5cpasswd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/etc/passwd%00.js",
    "/app/%00",
    "/app",
    "/app/",
    "/node_modules/pyodide/package.json",
    "/%ff%fe",
    "/" + "a" * 5000,
]


@pytest.fixture
def client(site, encodings):
    with TestClient(create_app(site, encodings), headers={"accept-encoding": ""}) as client:
        yield client


@pytest.fixture
def program(site):
    """Give the address of a hashed source."""
    return "/" + next(address for address in site.folders if address.endswith("/page/main.js"))


@pytest.fixture
def clip(site):
    return "/" + next(address for address in site.folders if address.endswith("/samples/clip.mp4"))


@pytest.fixture
def compressed(site, encodings, program):
    """Make the variants of the program now, instead of in the background."""
    resource = site.find(program[1:])[0]
    for coding in CODINGS:
        encodings.make(resource, coding)
    return program


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/app/../.."])
def test_every_response_carries_the_headers(client, path):
    headers = client.get(path).headers
    for name, value in HEADERS.items():
        assert headers[name] == value


def test_hashed_sources_carry_the_policy_as_well(client, program):
    # A worker obeys the policy of its own script's response.
    assert client.get(program).headers["content-security-policy"] == HEADERS["content-security-policy"]


def test_the_policy_allows_no_inline_script_no_eval_and_no_other_origin():
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert not [word for word in policy.split() if "*" in word or "://" in word or word == "https:"]


def test_the_front_page_is_asked_for_again_each_time(client):
    answer = client.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    again = client.get("/", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]


def test_hashed_files_are_kept_for_ever(client, program):
    answer = client.get(program)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.text == MAIN


def test_wasm_has_the_type_that_streaming_compilation_asks_for(client, site):
    address = next(address for address in site.folders if address.endswith("pyodide.asm.wasm"))
    assert client.head("/" + address).headers["content-type"] == "application/wasm"


@pytest.mark.parametrize(("coding", "inflate"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_compressed_file_comes_with_its_lengths_and_a_tag_of_its_own(client, compressed, coding, inflate):
    plain = client.get(compressed)
    with client.stream("GET", compressed, headers={"accept-encoding": coding}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(body) < len(MAIN)
    assert int(answer.headers["x-decoded-length"]) == len(MAIN)
    assert inflate(body).decode() == MAIN
    assert answer.headers["etag"] != plain.headers["etag"]


def test_each_encoding_is_confirmed_by_its_own_tag(client, compressed):
    tag = client.head(compressed, headers={"accept-encoding": "br"}).headers["etag"]
    assert client.get(compressed, headers={"accept-encoding": "br", "if-none-match": tag}).status_code == 304
    assert client.get(compressed, headers={"accept-encoding": "br", "if-none-match": "W/" + tag}).status_code == 304
    assert client.get(compressed, headers={"accept-encoding": "br", "if-none-match": f'"x", {tag}'}).status_code == 304
    assert client.get(compressed, headers={"if-none-match": tag}).status_code == 200


def test_without_a_variant_the_plain_file_is_sent(client, program):
    answer = client.get(program, headers={"accept-encoding": "br, gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.text == MAIN


def test_who_refuses_every_encoding_is_told_so(client, program):
    assert client.get(program, headers={"accept-encoding": "identity;q=0"}).status_code == 406


def test_head_tells_what_get_would_send(client, compressed):
    for headers in ({}, {"accept-encoding": "br"}):
        got, head = (client.request(method, compressed, headers=headers) for method in ("GET", "HEAD"))
        assert head.content == b""
        assert {**head.headers} == {**got.headers}
    assert client.head("/").headers == client.get("/").headers


def test_a_part_of_a_file_is_a_part_of_the_plain_file(client, clip, compressed):
    answer = client.get(clip, headers={"range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, VIDEO[100:200])
    assert answer.headers["content-range"] == f"bytes 100-199/{len(VIDEO)}"
    assert answer.headers["content-length"] == "100"
    assert answer.headers["accept-ranges"] == "bytes"
    part = client.get(compressed, headers={"range": "bytes=0-9", "accept-encoding": "br"})
    assert (part.status_code, part.text) == (206, MAIN[:10])
    assert part.headers["etag"] == client.get(compressed).headers["etag"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10200-", 10200, 10239),
        ("bytes=-6", 10234, 10239),
        ("bytes=-99999", 0, 10239),
        ("bytes=10000-99999", 10000, 10239),
        ("Bytes= 5-9", 5, 9),
    ],
)
def test_each_form_of_a_single_range_is_understood(client, clip, asked, first, last):
    answer = client.get(clip, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, VIDEO[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(VIDEO)}"


@pytest.mark.parametrize("asked", [f"bytes={len(VIDEO)}-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_told_the_length(client, clip, asked):
    answer = client.get(clip, headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(VIDEO)}"


@pytest.mark.parametrize(
    "asked",
    [
        "pages=1-2",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=0-1,4-5",
        "bytes=0-1,99999-",
        "bytes=+1-2",
    ],
)
def test_a_range_that_is_not_understood_is_ignored(client, clip, asked):
    answer = client.get(clip, headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, VIDEO)
    assert "content-range" not in answer.headers


def test_a_range_means_nothing_to_head(client, clip):
    plain, ranged = client.head(clip), client.head(clip, headers={"range": "bytes=0-9"})
    assert ranged.status_code == 200
    assert ranged.headers == plain.headers
    assert ranged.headers["content-length"] == str(len(VIDEO))


@pytest.mark.parametrize("version", ['"other"', "W/{}", "Sat, 31 Jan 2026 12:00:00 GMT", ""])
def test_a_part_of_another_version_is_not_sent(client, clip, version):
    tag = client.head(clip).headers["etag"]
    assert client.get(clip, headers={"range": "bytes=0-9", "if-range": tag}).status_code == 206
    answer = client.get(clip, headers={"range": "bytes=0-9", "if-range": version.format(tag)})
    assert (answer.status_code, answer.content) == (200, VIDEO)


def test_a_part_is_not_joined_to_the_compressed_file(client, compressed):
    tag = client.head(compressed, headers={"accept-encoding": "br"}).headers["etag"]
    headers = {"accept-encoding": "br", "range": "bytes=0-9", "if-range": tag}
    with client.stream("GET", compressed, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["etag"] == tag
        assert brotli.decompress(b"".join(answer.iter_raw())).decode() == MAIN


def test_what_the_browser_has_it_is_not_sent_in_part_either(client, clip):
    tag = client.head(clip).headers["etag"]
    answer = client.get(clip, headers={"range": "bytes=0-9", "if-none-match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("condition", "status"),
    [("{}", 304), ("W/{}", 304), ('"x", W/"y" , {}', 304), ("*", 304), ('"x,y", {}', 304), ('"x"', 200), ("x", 200)],
)
def test_a_tag_confirms_what_the_browser_has(client, clip, condition, status):
    tag = client.head(clip).headers["etag"]
    answer = client.get(clip, headers={"if-none-match": condition.format(tag)})
    assert answer.status_code == status
    assert answer.headers["etag"] == tag
    assert answer.headers["cache-control"] == client.head(clip).headers["cache-control"]
    assert answer.headers["vary"] == "Accept-Encoding"
    assert ("content-length" in answer.headers) is (status == 200)
    assert client.head(clip, headers={"if-none-match": condition.format(tag)}).status_code == status


def test_tags_on_several_lines_are_one_list(client, clip):
    tag = client.head(clip).headers["etag"]
    assert client.get(clip, headers=[("if-none-match", '"x"'), ("if-none-match", tag)]).status_code == 304


@pytest.mark.parametrize(
    ("condition", "status"), [("{}", 200), ("*", 200), ('"x", {}', 200), ("W/{}", 412), ('"x"', 412)]
)
def test_who_wants_one_version_alone_gets_no_other(client, clip, condition, status):
    tag = client.head(clip).headers["etag"]
    answer = client.get(clip, headers={"if-match": condition.format(tag)})
    assert answer.status_code == status
    assert (
        client.get(clip, headers={"if-match": condition.format(tag), "if-none-match": tag}).status_code
        == {
            200: 304,
            412: 412,
        }[status]
    )


def test_nothing_tells_when_a_file_was_written_here(client, clip, compressed):
    for path in ("/", clip, compressed):
        assert "last-modified" not in client.get(path).headers
        assert client.get(path, headers={"if-modified-since": "Sat, 31 Jan 2099 12:00:00 GMT"}).status_code == 200


def test_encodings_on_several_lines_are_one_list(client, compressed):
    answer = client.head(compressed, headers=[("accept-encoding", "zstd"), ("accept-encoding", "br")])
    assert answer.headers["content-encoding"] == "br"


def test_every_answer_that_depends_on_the_encoding_says_so(client, compressed):
    for headers in ({}, {"accept-encoding": "br"}, {"accept-encoding": "identity;q=0, br;q=0"}, {"range": "bytes=0-1"}):
        assert client.get(compressed, headers=headers).headers["vary"] == "Accept-Encoding"


def test_unknown_addresses_and_methods_get_a_plain_line(client, program):
    missing = client.get("/nothing/here")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    posted = client.post(program)
    assert posted.status_code == 405
    assert {part.strip() for part in posted.headers["allow"].split(",")} == {"GET", "HEAD"}


def test_health_is_told_to_machines_and_never_kept(client):
    answer = client.get("/health")
    assert answer.json() == {"status": "ok", "version": version("bodylens")}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.fixture
def below(site, encodings):
    """Give a client of a site that a proxy shows below /tools/bodylens."""
    with TestClient(create_app(site, encodings, "/tools/bodylens"), headers={"accept-encoding": ""}) as client:
        yield client


def test_below_a_prefix_all_is_where_it_is_without(below, program):
    for prefix in ("/tools/bodylens", ""):
        assert below.get(f"{prefix}/").headers["content-type"] == "text/html; charset=utf-8"
        assert below.get(prefix + program).text == MAIN
        assert below.get(f"{prefix}/health").json()["status"] == "ok"
        assert below.get(f"{prefix}/nothing").status_code == 404
    assert below.get("/tools/bodylens/tools/bodylens/").status_code == 404
    assert below.get("/tools/bodylensapp").status_code == 404


def test_the_prefix_without_its_slash_leads_to_the_page(below):
    answer = below.get("/tools/bodylens", follow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == "bodylens/"
    assert "content-security-policy" in answer.headers
    assert below.get("/tools/bodylens").url.path == "/tools/bodylens/"


def test_what_a_proxy_says_of_itself_changes_nothing(client):
    plain = client.get("/")
    forwarded = client.get(
        "/",
        headers={
            "x-forwarded-for": "198.51.100.7",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "evil.example",
            "x-forwarded-prefix": "/evil",
            "forwarded": "host=evil.example;proto=https",
        },
    )
    assert forwarded.content == plain.content
    assert {**forwarded.headers} == {**plain.headers}


@pytest.fixture
def raw(site, encodings):
    """Give a connection to a real server, which sends paths as they are written."""
    config = uvicorn.Config(create_app(site, encodings), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    connection = http.client.HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1], timeout=60)
    yield connection
    connection.close()
    server.should_exit = True
    thread.join()


def test_no_way_leads_out_of_the_site(raw):
    for path in ATTACKS:
        raw.putrequest("GET", path, skip_accept_encoding=True)
        raw.endheaders()
        answer = raw.getresponse()
        assert answer.status in {400, 404}, path
        assert b"root:" not in answer.read(), path


def test_an_edited_source_is_served_at_its_new_address_after_a_reload(client, site, program):
    (site.web / "page/main.js").write_text("// another program")
    assert client.get(program).status_code == 404
    address = "/" + next(address for address in site.folders if address.endswith("/page/main.js"))
    assert client.get("/").status_code == 200
    assert client.get(address).text == "// another program"


def test_what_changed_while_it_was_served_is_compressed_before_it_is_sent(client, site):
    (site.web / "page/main.js").write_text("// another program\n" * 100)
    assert client.get("/", headers={"accept-encoding": "br"}).headers["content-encoding"] == "br"
    address = "/" + next(address for address in site.folders if address.endswith("/page/main.js"))
    assert client.get(address, headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name], "nothing goes on"
