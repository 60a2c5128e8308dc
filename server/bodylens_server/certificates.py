"""Certificates for https in one's own network: a root that phones may trust, and a short-lived leaf that it signs.

The root is made once and kept, for it must be installed by hand. It is limited to private networks: whoever steals its
key cannot pass for any site in the world outside. The leaf names today's addresses and is made anew when they change.
Key and certificate lie in one file, readable by its owner alone, so that neither is ever there without the other.
"""

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bodylens_server.addresses import Address
from bodylens_server.errors import Failure

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# ref: RFC 1918, RFC 3927 (link-local), RFC 4193 (unique local), RFC 1122 (loopback)
PRIVATE: list[Network] = [
    *map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")),
    *map(ipaddress.IPv6Network, ("fd00::/8", "fe80::/10", "::1/128")),
]
# A constraint on a DNS name holds for all below it. ref: RFC 5280, 4.2.1.10
DOMAINS = ["localhost", "local"]
LOOPBACK = ["localhost", "127.0.0.1", "::1"]

ROOT_DAYS = 3650
# iOS trusts a leaf below a root of one's own for at most 825 days, one below any other for 398 at most.
# ref: Apple, HT211025
LEAF_DAYS = 90
RENEWED = timedelta(days=30)  # so long before its end
SKEW = timedelta(days=1)  # the clock of a phone may lag behind


@dataclass(frozen=True)
class Identity:
    """A private key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """Both, the key first."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key + self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def name(self) -> str:
        """What devices list it as."""
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in pairs of hexadecimal digits, as devices show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(" ").upper()

    @property
    def left(self) -> timedelta:
        """How long it is still valid."""
        return self.certificate.not_valid_after_utc - datetime.now(UTC)


def folder() -> Path:
    """Where they are kept: lan in $BODYLENS_DATA, else in bodylens in $XDG_DATA_HOME or in ~/.local/share."""
    if given := os.environ.get("BODYLENS_DATA"):
        return Path(given) / "lan"
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "bodylens" / "lan"


def general_name(name: str) -> x509.GeneralName:
    """Return a name or an address as certificates write it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "bodylens"), x509.NameAttribute(NameOID.COMMON_NAME, subject)]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_root(host: str, addresses: Collection[Address], names: Collection[str]) -> Identity:
    """Make a root of the machine `host` for private networks and, of what lies elsewhere, these alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    networks = PRIVATE + [
        ipaddress.ip_network(address) for address in addresses if not any(address in private for private in PRIVATE)
    ]
    domains = DOMAINS + [name for name in names if not name.endswith(".local")]
    permitted = [*map(x509.DNSName, domains), *map(x509.IPAddress, networks)]
    builder = (
        # The date tells one root from the next, where a phone lists them.
        _builder(f"bodylens on {host}, {datetime.now(UTC):%Y-%m-%d}", None, key, ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
    )
    return Identity(key, builder.sign(key, hashes.SHA256()))


def make_leaf(root: Identity, names: Sequence[str], days: int = LEAF_DAYS) -> Identity:
    """Make a certificate for these names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder("bodylens serve", root.certificate.subject, key, days)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    return Identity(key, builder.sign(root.key, hashes.SHA256()))


def permits(root: Identity, name: str) -> bool:
    """Say whether the root may vouch for a name or an address."""
    constraints = root.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    asked = general_name(name).value
    for subtree in constraints.permitted_subtrees or []:
        allowed = subtree.value
        if isinstance(asked, str):
            if isinstance(allowed, str) and f".{asked}".endswith(f".{allowed}"):
                return True
        elif not isinstance(allowed, str) and asked in allowed:
            return True
    return False


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found if isinstance(name, (x509.DNSName, x509.IPAddress))]


def read(path: Path) -> Identity | None:
    """Read what `write` has written: None where there is nothing, ValueError where it is damaged."""
    try:
        path.chmod(0o600)
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    key = serialization.load_pem_private_key(text, None)
    certificate = x509.load_pem_x509_certificate(text)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the key is not that of the certificate")
    return Identity(key, certificate)


def write(path: Path, identity: Identity, replace: bool = True) -> None:
    """Write key and certificate, readable by their owner alone; without `replace` a file that is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # made with mode 0600
        file.write(identity.pem)
    made = Path(file.name)
    try:
        if replace:
            made.replace(path)
        else:
            with suppress(FileExistsError):  # another start was faster: its root counts
                path.hardlink_to(made)
    finally:
        made.unlink(missing_ok=True)


def ensure_root(place: Path, host: str, addresses: Sequence[Address], names: Sequence[str]) -> tuple[Identity, str]:
    """Return the machine's root, made when there is none, and why it was made: "" where it is the old one."""
    path = place / "root.pem"
    try:
        root = read(path)
    except (ValueError, OSError) as error:
        raise Failure(
            f"{path} cannot be used ({str(error).splitlines()[0]}): remove it, and a new root is made, which phones "
            "must install anew"
        ) from error
    why = ""
    if root is None:
        why = "there was none"
    elif root.left < timedelta(days=LEAF_DAYS):
        why = "the old one comes to its end"
    elif not any(permits(root, str(address)) for address in addresses):
        why = "the old one is not for this network"
    if why:
        write(path, make_root(host, addresses, names), replace=root is not None)
        root = read(path)
        assert root is not None
    assert root is not None
    return root, why


def ensure_leaf(place: Path, root: Identity, names: Sequence[str]) -> Path:
    """Return the file of a leaf for these names with its key, made anew unless the last one is as good."""
    path = place / "leaf.pem"
    leaf = None
    with suppress(ValueError):
        leaf = read(path)
    if leaf and leaf.left > RENEWED and set(names_of(leaf.certificate)) == set(names):
        with suppress(ValueError, TypeError, InvalidSignature):
            leaf.certificate.verify_directly_issued_by(root.certificate)
            return path
    write(path, make_leaf(root, names))
    return path


def check_own(certificate: Path, key: Path) -> x509.Certificate:
    """Check a certificate of one's own and its key, and return the certificate: each fault is one sentence."""
    texts = {}
    for path, option, what in ((certificate, "--cert", "the certificate"), (key, "--key", "its private key")):
        try:
            texts[option] = path.read_bytes()
        except FileNotFoundError as error:
            raise Failure(f"{option} {path} is not there: name the PEM file that holds {what}") from error
        except OSError as error:
            raise Failure(f"{option} {path} cannot be read: {error.strerror}") from error
    try:
        found = x509.load_pem_x509_certificates(texts["--cert"])[0]
    except ValueError as error:
        raise Failure(f"--cert {certificate} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from error
    try:
        private = serialization.load_pem_private_key(texts["--key"], None)
    except TypeError as error:
        raise Failure(
            f"--key {key} is locked with a password, which a server cannot type: unlock a copy of it, "
            f"as in openssl pkey -in {key} -out unlocked.key"
        ) from error
    except ValueError as error:
        raise Failure(f"--key {key} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from error
    if private.public_key() != found.public_key():
        raise Failure(f"--key {key} is not the key of --cert {certificate}: name the two that were made together")
    now = datetime.now(UTC)
    if now > found.not_valid_after_utc:
        raise Failure(f"--cert {certificate} ended on {found.not_valid_after_utc:%Y-%m-%d}: renew it")
    if now < found.not_valid_before_utc:
        raise Failure(
            f"--cert {certificate} begins on {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and this machine's clock "
            f"says {now:%Y-%m-%d %H:%M}: set the clock, or wait"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise Failure(f"--cert {certificate} and --key {key} cannot be used for https: {error.reason}") from error
    return found
