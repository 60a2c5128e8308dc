"""A phone in the same network: Chromium that trusts the root opens https and draws a mask, and trusts it no further."""

import contextlib
import ctypes
import ctypes.util
import functools
import http.server
import ssl
import threading
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Error, expect

from bodylens_server import addresses, certificates

LIBRARY = ctypes.util.find_library("nss3")
MODELS = ["--models", "selfie-general"]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}

pytestmark = [
    pytest.mark.skipif(not addresses.find(), reason="this machine is in no network"),
    pytest.mark.skipif(not LIBRARY, reason="this machine has no NSS, where Chromium on Linux looks for own roots"),
]


class Item(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("data", ctypes.c_char_p), ("length", ctypes.c_uint))


class Trust(ctypes.Structure):
    _fields_ = (("ssl", ctypes.c_uint), ("email", ctypes.c_uint), ("signing", ctypes.c_uint))


TRUSTED_AUTHORITY = 1 << 3 | 1 << 4  # CERTDB_VALID_CA | CERTDB_TRUSTED_CA


def install(root, home):
    """Install a root for a user, as `certutil -A -t C,,` does: Chromium on Linux reads the user's NSS database."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    nss = ctypes.CDLL(LIBRARY)
    nss.PK11_GetInternalKeySlot.restype = ctypes.c_void_p
    nss.CERT_NewTempCertificate.restype = ctypes.c_void_p
    nss.CERT_NewTempCertificate.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(Item),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    nss.CERT_GetDefaultCertDB.restype = ctypes.c_void_p
    nss.PK11_ImportCert.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]
    nss.PK11_InitPin.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    nss.PK11_FreeSlot.argtypes = [ctypes.c_void_p]
    nss.CERT_DestroyCertificate.argtypes = [ctypes.c_void_p]
    nss.CERT_ChangeCertTrust.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(Trust)]
    assert nss.NSS_InitReadWrite(f"sql:{folder}".encode()) == 0
    slot = nss.PK11_GetInternalKeySlot()
    nss.PK11_InitPin(slot, b"", b"")
    store = nss.CERT_GetDefaultCertDB()
    certificate = nss.CERT_NewTempCertificate(store, Item(0, root, len(root)), None, 0, 1)
    assert nss.PK11_ImportCert(slot, certificate, 0, b"bodylens", 0) == 0
    assert nss.CERT_ChangeCertTrust(store, certificate, Trust(TRUSTED_AUTHORITY, 0, 0)) == 0
    nss.CERT_DestroyCertificate(certificate)
    nss.PK11_FreeSlot(slot)
    assert nss.NSS_Shutdown() == 0


@pytest.fixture
def phone(start_chromium, tmp_path):
    """Start a Chromium whose user trusts a root: `phone(root)` gives a context like that of a phone."""

    def phone(root=None, *flags):
        home = tmp_path / f"home-{len(list(tmp_path.iterdir()))}"
        home.mkdir()
        if root:
            install(root, home)
        browser = start_chromium(*flags, env={"HOME": str(home)})
        context = browser.new_context(**PHONE)
        context.set_default_timeout(120_000)
        return context

    return phone


@pytest.fixture(scope="module")
def served(start_served, tmp_path_factory):
    """Give a `bodylens serve --lan` with one model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BODYLENS_DATA", str(tmp_path_factory.mktemp("data")))
        yield start_served("--lan", *MODELS)


@pytest.fixture(scope="module")
def root(tmp_path_factory, served):
    """Give the root of that server, with its key."""
    return certificates.read(served.data / "lan" / "root.pem")


def address_of(served):
    return next(address for address in served.addresses if "[" not in address)


def test_a_phone_that_trusts_the_root_gets_camera_isolation_and_a_mask(phone, served, root, wait_state):
    page = phone(root.der).new_page()
    page.goto(f"{address_of(served)}/?source=camera&backend=wasm&effect=color&color=%230000ff")
    wait_state(page, "running", timeout=120)
    assert page.evaluate("[isSecureContext, crossOriginIsolated]") == [True, True]
    assert urlsplit(page.url).hostname not in ("localhost", "127.0.0.1")
    frame = cv2.imdecode(np.frombuffer(page.locator("#canvas-holder canvas").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    blue = (np.abs(frame.astype(int) - (255, 0, 0)) < 30).all(-1).mean()
    assert 0.1 < blue < 0.9, "the background is blue, the person is not"


def test_a_phone_that_does_not_trust_it_is_warned_and_can_go_on(phone, served, wait_state):
    context = phone()
    page = context.new_page()
    with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        page.goto(address_of(served))
    # "Advanced › Proceed", as a person would click it.
    page.locator("#details-button").click()
    page.locator("#proceed-link").click()
    wait_state(page, "ready", timeout=120)
    assert page.evaluate("[isSecureContext, crossOriginIsolated]") == [True, True]


@contextlib.contextmanager
def other_site(identity, folder):
    """Serve https elsewhere, with a certificate that the root has signed."""
    certificates.write(folder / "other.pem", identity)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "other.pem")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(
        server.socket,
        server_side=True,
        do_handshake_on_connect=False,  # each in its own thread: who only connects keeps nobody else waiting
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_browser_takes_the_root_for_no_site_outside(phone, root, tmp_path):
    page = phone(root.der, "--host-resolver-rules=MAP *.example.com 127.0.0.1").new_page()
    leaf = certificates.make_leaf(root, ["www.example.com"])
    with other_site(leaf, tmp_path) as port, pytest.raises(Error, match="ERR_CERT_"):
        page.goto(f"https://www.example.com:{port}/")
    with other_site(certificates.make_leaf(root, ["localhost"]), tmp_path) as port:
        assert page.context.new_page().goto(f"https://localhost:{port}/").ok, (
            "the same root is good enough for what it is for"
        )


def test_the_page_for_phones_shows_the_steps_and_leads_on(phone, served, root):
    page = phone(root.der).new_page()
    errors = []
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto(served.phone)
    expect(page.get_by_role("heading", name="One step, once")).to_be_visible()
    summary = page.get_by_text("iPhone and iPad")
    summary.click()
    expect(page.get_by_role("link", name="Download the profile")).to_be_visible()
    page.get_by_text("Android", exact=True).click()
    link = page.get_by_role("link", name="Download the certificate").locator("visible=true")
    for target in (summary, link, page.get_by_role("link", name="Open bodylens")):
        assert target.bounding_box()["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits"
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_bytes() == root.der
    page.get_by_role("link", name="Open bodylens").click()
    page.wait_for_selector("html[data-state=ready]", state="attached")
    assert not errors


def test_a_wide_screen_shows_a_code_that_leads_there(phone, served):
    page = phone().new_page()
    page.set_viewport_size({"width": 1000, "height": 800})
    page.goto(served.phone)
    picture = page.get_by_role("img", name="QR code").screenshot()
    picture = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    # Not every size is to this reader's liking.
    sizes = [cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for scale in (1, 0.75, 0.5)]
    assert served.phone in [cv2.QRCodeDetectorAruco().detectAndDecode(size)[0] for size in sizes]
