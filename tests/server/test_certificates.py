"""The root and its leaves, judged by those who will judge them: OpenSSL, and TLS clients."""

import ipaddress
import socket
import ssl
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from bodylens_server import certificates
from bodylens_server.certificates import check_own, ensure_leaf, ensure_root, make_leaf, make_root, read, write
from bodylens_server.errors import Failure

HOME = [ipaddress.ip_address("192.168.1.7")]
UNIVERSITY = [ipaddress.ip_address("203.0.113.9")]
NAMES = ["desk.local", "desk.example.org"]


@pytest.fixture(scope="module")
def root():
    return make_root("desk", HOME, NAMES)


def extension(identity, kind):
    return identity.certificate.extensions.get_extension_for_class(kind)


@pytest.fixture
def verify(root, tmp_path):
    """Ask openssl whether a leaf is good for a name or an address, below this root alone."""

    def verify(leaf, name, authority=root):
        (tmp_path / "root.crt").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "leaf.crt").write_bytes(leaf.certificate.public_bytes(serialization.Encoding.PEM))
        kind = "-verify_hostname" if name[-1].isalpha() else "-verify_ip"
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.crt", kind, name]
        return subprocess.run([*command, "leaf.crt"], cwd=tmp_path, capture_output=True, text=True)

    return verify


def connect(root, leaf, name, folder):
    """Shake hands with a server that has this leaf, as a client that trusts the root alone."""
    write(folder / "leaf.pem", leaf)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "leaf.pem")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=root.der)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def answer():
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as secured:
            return secured.version()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["192.168.1.7", "10.0.0.3", "172.31.255.1", "fd12::7", "desk.local", "localhost"])
def test_a_leaf_for_the_own_network_is_trusted(root, verify, tmp_path, name):
    leaf = make_leaf(root, [name])
    answer = verify(leaf, name)
    assert answer.returncode == 0, answer.stderr
    assert connect(root, leaf, name, tmp_path) in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize(
    "name", ["example.com", "local.example.com", "mylocal", "8.8.8.8", "172.32.0.1", "2001:db8::1"]
)
def test_a_leaf_for_the_world_outside_is_refused(root, verify, tmp_path, name):
    leaf = make_leaf(root, [name])
    answer = verify(leaf, name)
    assert answer.returncode != 0
    assert "permitted subtree violation" in answer.stderr
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        connect(root, leaf, name, tmp_path)


def test_the_limits_hold_for_each_name_of_a_leaf(root, verify):
    leaf = make_leaf(root, ["192.168.1.7", "example.com"])
    assert "permitted subtree violation" in verify(leaf, "192.168.1.7").stderr


def test_a_leaf_cannot_sign_another(root, verify):
    leaf = make_leaf(root, ["desk.local"])
    below = make_leaf(leaf, ["desk.local"])
    assert verify(below, "desk.local", authority=leaf).returncode != 0


def test_an_address_outside_private_networks_is_allowed_alone(verify):
    root = make_root("desk", UNIVERSITY, NAMES)
    assert verify(make_leaf(root, ["203.0.113.9"]), "203.0.113.9", authority=root).returncode == 0
    assert verify(make_leaf(root, ["203.0.113.8"]), "203.0.113.8", authority=root).returncode != 0


def test_of_the_own_domain_only_this_machine_is_allowed(root):
    assert certificates.permits(root, "desk.example.org")
    assert not certificates.permits(root, "www.example.org")
    assert not certificates.permits(root, "otherdesk.example.org")


def test_the_root_says_what_devices_ask_for(root):
    constraints = extension(root, x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert extension(root, x509.NameConstraints).critical
    usage = extension(root, x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    assert isinstance(root.key.curve, ec.SECP256R1)
    assert root.certificate.serial_number.bit_length() > 64


def test_a_leaf_says_what_devices_ask_for(root):
    leaf = make_leaf(root, ["192.168.1.7", "desk.local"])
    assert list(extension(leaf, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extension(leaf, x509.BasicConstraints).value.ca is False
    # ref: Apple: below a root of one's own 825 days at most, else 398
    certificate = leaf.certificate
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=397)
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=12), "a phone's clock may lag behind"
    identifier = extension(root, x509.SubjectKeyIdentifier).value.digest
    assert extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier == identifier
    assert extension(leaf, x509.SubjectKeyIdentifier).value.digest != identifier
    assert certificates.names_of(certificate) == ["192.168.1.7", "desk.local"]


def test_the_root_is_kept_and_readable_by_its_owner_alone(tmp_path):
    place = tmp_path / "data" / "lan"
    first, why = ensure_root(place, "desk", HOME, NAMES)
    assert why == "there was none"
    again, why = ensure_root(place, "desk", HOME, NAMES)
    assert why == ""
    assert again.der == first.der
    ensure_leaf(place, first, ["desk.local"])
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {
        "root.pem": 0o600,
        "leaf.pem": 0o600,
    }


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path):
    ensure_root(tmp_path, "desk", HOME, NAMES)
    (tmp_path / "root.pem").chmod(0o644)
    ensure_root(tmp_path, "desk", HOME, NAMES)
    assert stat.S_IMODE((tmp_path / "root.pem").stat().st_mode) == 0o600


def test_another_private_network_needs_no_other_root(tmp_path):
    first, _ = ensure_root(tmp_path, "desk", HOME, NAMES)
    again, why = ensure_root(tmp_path, "desk", [ipaddress.ip_address("10.1.2.3")], ["laptop.local"])
    assert (why, again.der) == ("", first.der)


def test_a_public_address_needs_another_root_and_says_so(tmp_path):
    first, _ = ensure_root(tmp_path, "desk", HOME, NAMES)
    again, why = ensure_root(tmp_path, "desk", UNIVERSITY, NAMES)
    assert why == "the old one is not for this network"
    assert again.der != first.der


def test_a_root_near_its_end_is_replaced(tmp_path, monkeypatch):
    with monkeypatch.context() as short:
        short.setattr(certificates, "ROOT_DAYS", 30)
        first, _ = ensure_root(tmp_path, "desk", HOME, NAMES)
    again, why = ensure_root(tmp_path, "desk", HOME, NAMES)
    assert why == "the old one comes to its end"
    assert again.der != first.der


def test_a_damaged_root_is_one_sentence_with_a_way_out(tmp_path):
    (tmp_path / "root.pem").write_text("what is this?")
    with pytest.raises(Failure, match=r"root\.pem cannot be used \(.*\): remove it, and a new root is made"):
        ensure_root(tmp_path, "desk", HOME, NAMES)
    assert (tmp_path / "root.pem").read_text() == "what is this?", "nothing is thrown away unasked"


def test_of_two_starts_at_once_one_root_counts(tmp_path):
    made = [make_root("desk", HOME, NAMES) for _ in range(2)]
    for root in made:
        write(tmp_path / "root.pem", root, replace=False)
    assert read(tmp_path / "root.pem").der == made[0].der
    assert [path.name for path in tmp_path.iterdir()] == ["root.pem"]


def test_a_leaf_is_kept_until_something_changes(root, tmp_path):
    def leaf(authority=root, names=("desk.local", "192.168.1.7")):
        return ensure_leaf(tmp_path, authority, names).read_bytes()

    first = leaf()
    assert leaf() == first
    moved = leaf(names=["desk.local", "192.168.1.8"])
    assert moved != first
    other = make_root("desk", HOME, NAMES)
    assert leaf(other, ["desk.local", "192.168.1.8"]) != moved
    (tmp_path / "leaf.pem").write_text("what is this?")
    assert leaf().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_leaf_near_its_end_is_made_anew(root, tmp_path):
    write(tmp_path / "leaf.pem", make_leaf(root, ["desk.local"], days=29))
    ensure_leaf(tmp_path, root, ["desk.local"])
    assert read(tmp_path / "leaf.pem").left > timedelta(days=80)


@pytest.fixture
def own(root, tmp_path):
    """Write a certificate of one's own: `own(days)` gives the paths of certificate and key."""

    def own(days=30, name="own"):
        leaf = make_leaf(root, ["pose.example.org"], days)
        pem = leaf.pem
        begin = pem.index(b"-----BEGIN CERTIFICATE-----")
        (tmp_path / f"{name}.crt").write_bytes(pem[begin:])
        (tmp_path / f"{name}.key").write_bytes(pem[:begin])
        return tmp_path / f"{name}.crt", tmp_path / f"{name}.key"

    return own


def test_a_certificate_of_ones_own_is_taken(own):
    assert certificates.names_of(check_own(*own())) == ["pose.example.org"]


def test_a_file_that_is_not_there_is_named(own, tmp_path):
    certificate, key = own()
    with pytest.raises(Failure, match=r"^--cert .*no\.crt is not there: name the PEM file that holds the certificate$"):
        check_own(tmp_path / "no.crt", key)
    with pytest.raises(Failure, match=r"^--key .*no\.key is not there: name the PEM file that holds its private key$"):
        check_own(certificate, tmp_path / "no.key")


def test_a_file_that_cannot_be_read_is_named(own, tmp_path):
    with pytest.raises(Failure, match=r"^--key .* cannot be read: Is a directory$"):
        check_own(own()[0], tmp_path)


def test_files_of_another_kind_are_named(own):
    certificate, key = own()
    with pytest.raises(Failure, match=r"^--cert .*own\.key holds no certificate in PEM form"):
        check_own(key, key)
    with pytest.raises(Failure, match=r"^--key .*own\.crt holds no private key in PEM form"):
        check_own(certificate, certificate)


def test_a_key_of_another_certificate_is_refused(own):
    with pytest.raises(Failure, match=r"other\.key is not the key of --cert .*own\.crt: name the two that were made"):
        check_own(own()[0], own(name="other")[1])


def test_a_certificate_that_has_ended_is_refused(own):
    with pytest.raises(Failure, match=r"own\.crt ended on \d{4}-\d\d-\d\d: renew it$"):
        check_own(*own(days=-0.5))


def test_a_certificate_that_has_not_begun_is_refused(own, monkeypatch):
    monkeypatch.setattr(certificates, "SKEW", timedelta(days=-3))
    with pytest.raises(Failure, match=r"own\.crt begins on .*: set the clock, or wait$"):
        check_own(*own())


def test_a_key_with_a_password_is_refused(own, tmp_path):
    certificate, key = own()
    locked = serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    key.write_bytes(locked)
    with pytest.raises(Failure, match=r"own\.key is locked with a password, .*openssl pkey -in"):
        check_own(certificate, key)


def test_an_rsa_key_too_short_for_tls_is_one_sentence(tmp_path):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.local")]), critical=False)
        .sign(key, certificates.hashes.SHA256())
    )
    (tmp_path / "short.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "short.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    with pytest.raises(Failure, match=r"cannot be used for https: EE_KEY_TOO_SMALL$"):
        check_own(tmp_path / "short.crt", tmp_path / "short.key")
