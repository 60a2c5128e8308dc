"""What a phone is shown before it trusts this machine."""

import ipaddress
import plistlib
import re

import pytest
from cryptography import x509
from starlette.testclient import TestClient

from bodylens_server import phone
from bodylens_server.app import create_app
from bodylens_server.certificates import make_root
from bodylens_server.phone import Phone, device, qr_terminal

SITES = ["https://192.168.1.7:8000", "https://[fd00::7]:8000", "https://desk.local:8000"]
PAGE = "http://192.168.1.7:8001"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
IPAD = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36"
)
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@pytest.fixture(scope="module")
def root():
    return make_root("desk", [ipaddress.ip_address("192.168.1.7")], ["desk.local"])


@pytest.fixture(scope="module")
def shown(root):
    return Phone(root, SITES, PAGE)


@pytest.fixture
def client(shown):
    with TestClient(shown.plain_app(), base_url=PAGE) as client:
        yield client


def test_the_code_in_the_terminal_leads_to_the_page(scan):
    assert scan(qr_terminal(PAGE)) == PAGE


def test_the_code_in_the_terminal_has_its_own_colours():
    for line in qr_terminal(PAGE).splitlines():
        assert line.startswith("  \x1b[97;40m")
        assert line.endswith("\x1b[0m")


def test_the_page_names_both_addresses_the_certificate_and_its_print(client, root):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for told in (SITES[0], PAGE, root.fingerprint, root.name):
        assert told in answer.text
    assert "$" not in answer.text
    assert client.get("/phone").text == answer.text


def test_it_leads_to_the_site_by_the_name_that_was_used(client):
    for host, site in (("desk.local:8001", SITES[2]), ("[fd00::7]:8001", SITES[1]), ("evil.example", SITES[0])):
        text = client.get("/", headers={"host": host}).text
        assert f'href="{site}"' in text
        assert "evil" not in text


@pytest.mark.parametrize(
    ("agent", "steps"),
    [(IPHONE, "ios"), (IPAD, "ios"), (ANDROID, "android"), (DESKTOP, "computer"), ("", "computer")],
)
def test_the_steps_of_the_own_device_are_open(client, agent, steps):
    assert device(agent) == steps
    titles = {"ios": "iPhone and iPad", "android": "Android", "computer": "Another computer"}
    text = client.get("/", headers={"user-agent": agent}).text
    opened = re.findall(r'<details name="device" open>\s*<summary>([^<]*)<', text)
    assert opened == [titles[steps]]
    assert client.get("/").headers["vary"] == "User-Agent"


def test_every_link_of_the_page_leads_somewhere(client):
    text = client.get("/").text
    for address in re.findall(r'(?:href|src)="([^":]+)"', text):
        assert client.get(address).status_code == 200, address


def test_the_root_is_there_for_android_and_computers(client, root):
    answer = client.get("/bodylens.crt")
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert answer.headers["content-disposition"] == 'attachment; filename="bodylens.crt"'
    assert x509.load_der_x509_certificate(answer.content) == root.certificate


def test_the_root_is_there_as_a_profile_for_apple(client, root):
    answer = client.get("/bodylens.mobileconfig")
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    told = plistlib.loads(answer.content)
    assert (told["PayloadType"], told["PayloadVersion"]) == ("Configuration", 1)
    (payload,) = told["PayloadContent"]
    assert payload["PayloadType"] == "com.apple.security.root"
    assert x509.load_der_x509_certificate(payload["PayloadContent"]) == root.certificate
    assert len({told["PayloadUUID"], payload["PayloadUUID"]}) == 2
    assert phone.profile(root) == answer.content, "the same profile each time, so that it replaces itself"


def test_the_private_key_is_nowhere(client):
    for path in ("/", "/phone", "/bodylens.crt", "/bodylens.mobileconfig", "/root.pem", "/lan/root.pem"):
        assert b"PRIVATE KEY" not in client.get(path).content


def test_plain_http_serves_nothing_else(client):
    for path in ("/index.html", "/health", "/app/", "/models/", "/../pyproject.toml"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert SITES[0] in answer.text
    for path in ("/", "/phone", "/nothing"):
        for name, value in phone.PLAIN_HEADERS.items():
            assert client.get(path).headers[name] == value


def test_the_site_itself_shows_the_page_as_well(site, encodings, shown):
    with TestClient(create_app(site, encodings, "/bodylens", shown.routes())) as client:
        for address in ("/phone", "/bodylens/phone", "/bodylens/phone.svg", "/bodylens/bodylens.crt"):
            assert client.get(address).status_code == 200
        assert 'name="bodylens:site"' in client.get("/").text
