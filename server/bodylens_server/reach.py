"""Where the server is reached: sockets, addresses and certificates, as the command line asks for them."""

import errno
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from bodylens_server import addresses, certificates
from bodylens_server.certificates import Identity, check_own, names_of
from bodylens_server.errors import Failure
from bodylens_server.phone import Phone

LOCAL = {"127.0.0.1", "localhost", "::1"}
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104


def listen(host: str, port: int) -> socket.socket:
    """Take the port, or say why it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if host == "::" and socket.has_dualstack_ipv6():
            return socket.create_server((host, port), family=family, dualstack_ipv6=True)
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(
                f"port {port} is in use: stop what runs there, or choose another, as in --port {port + 1}"
            ) from error
        why = str(error.strerror).partition(" (while")[0]
        raise Failure(f"port {port} on {host} cannot be opened: {why}") from error


def authority(host: str, port: int) -> str:
    """Return host and port as an address has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Reach:
    """Where the server is reached: `names` are hosts, the best first, and with a certificate it is https.

    A certificate made on the spot comes with its root and a plain socket for the page that explains it; `made` tells
    where a new root lies and why it was made.
    """

    listener: socket.socket
    names: list[str]
    certificate: Path | None = None
    key: Path | None = None
    phone_listener: socket.socket | None = None
    root: Identity | None = None
    made: str = ""
    prefix: str = ""

    @property
    def addresses(self) -> list[str]:
        """The site's addresses."""
        port = self.listener.getsockname()[1]
        scheme = "https" if self.certificate else "http"
        return [f"{scheme}://{authority(name, port)}{self.prefix and self.prefix + '/'}" for name in self.names]

    def phone(self) -> Phone | None:
        """Return what phones are shown before they trust this machine."""
        if self.phone_listener is None or self.root is None:
            return None
        port = self.phone_listener.getsockname()[1]
        return Phone(self.root, self.addresses, f"http://{authority(self.names[0], port)}")


def everybody() -> str:
    """Return the address to listen on for a whole network, of both kinds where this machine has both."""
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104


def own_addresses(host: str) -> list[addresses.Address]:
    """Return this machine's addresses in its networks that are reached when it listens on `host`."""
    found = addresses.find()
    if host in EVERYWHERE:
        return [address for address in found if address.version == 4 or host == "::"]
    return [address for address in found if str(address) == host]


def reach_one(host: str, port: int) -> Reach:
    """Listen as --host and --port say."""
    listener = listen(host, port)
    if host in EVERYWHERE:
        return Reach(listener, ["localhost", *map(str, own_addresses(host))])
    return Reach(listener, ["localhost" if host in LOCAL else host])


def reach_with(certificate: Path, key: Path, host: str, port: int) -> Reach:
    """Speak https with a certificate of one's own, and go by the names that are in it."""
    names = [name for name in names_of(check_own(certificate, key)) if not name.startswith("*")]
    if host in LOCAL:
        names = ["localhost"]
    return Reach(listen(host, port), names or [host], certificate, key)


def reach_network(host: str | None, port: int) -> Reach:
    """Speak https to this machine's network, with a certificate made on the spot."""
    heard = host or everybody()
    own = own_addresses(heard)
    if not own:
        where = f"{host} is no address of this machine in" if host else "this machine is in no network: connect it to"
        raise Failure(f"{where} a network that phones share, or leave out --lan")
    names = addresses.names()
    place = certificates.folder()
    root, why = certificates.ensure_root(place, socket.gethostname(), own, names)
    shown = [name for name in [*map(str, own), *names] if certificates.permits(root, name)]
    leaf = certificates.ensure_leaf(place, root, [*shown, *certificates.LOOPBACK])
    listener = listen(heard, port)
    try:
        plain = listen(heard, port + 1 if 0 < port < 65535 else 0)
    except Failure as error:
        listener.close()
        raise Failure(f"the page for phones needs the next port as well, and {error}") from error
    return Reach(listener, shown, leaf, leaf, plain, root, why and f"{place / 'root.pem'}: {why}")


def reach(host: str | None, port: int, lan: bool, certificate: Path | None, key: Path | None, prefix: str) -> Reach:
    """Listen as the command line says. Each Failure is one sentence."""
    if (certificate is None) != (key is None):
        raise Failure("--cert and --key go together: name the certificate and its private key")
    if certificate and key:
        found = reach_with(certificate, key, host or (everybody() if lan else "127.0.0.1"), port)
    else:
        found = reach_network(host, port) if lan else reach_one(host or "127.0.0.1", port)
    return replace(found, prefix=prefix)
