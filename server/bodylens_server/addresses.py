"""Where this machine can be reached from its own network: addresses, and the name that mDNS tells."""

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv6Address

import psutil

Address = IPv4Address | IPv6Address

# Interfaces that lead to containers and virtual machines, never to a phone.
INNER = re.compile(r"docker|br-|veth|virbr|vmnet|vboxnet|cni|lxc")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
UNIQUE_LOCAL = ipaddress.ip_network("fd00::/8")  # ref: RFC 4193


def default_route() -> Address | None:
    """Return the address that traffic to elsewhere leaves from. Connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # an address for documentation; ref: RFC 5737
        except OSError:
            return None
        return ipaddress.ip_address(probe.getsockname()[0])


def usable(address: Address) -> bool:
    """Say whether a phone may reach it, and go on to: temporary global IPv6 addresses change by the hour."""
    if isinstance(address, IPv6Address):
        return address in UNIQUE_LOCAL
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


def find() -> list[Address]:
    """Return this machine's addresses in its networks, the one to show first; none where it is in no network."""
    states = psutil.net_if_stats()
    found: set[Address] = set()
    for name, entries in psutil.net_if_addrs().items():
        if INNER.match(name) or (name in states and not states[name].isup):
            continue
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                found.add(ipaddress.ip_address(entry.address.partition("%")[0]))
    first = default_route()
    return sorted(
        filter(usable, found),
        key=lambda address: (address != first, address.version, address.is_link_local, int(address)),
    )


def names() -> list[str]:
    """Return the names that this machine has in its networks: that of mDNS, and its own where that has a domain.

    A name without a dot is left out: as a limit of a certificate authority, `dev` would allow all of that domain.
    """
    labels = socket.gethostname().lower().rstrip(".").split(".")
    if not all(LABEL.fullmatch(label) for label in labels):
        return []
    found = [f"{labels[0]}.local"]
    if len(labels) > 1 and labels[-1] not in ("local", "localdomain", "localhost"):
        found.append(".".join(labels))
    return [] if labels[0] == "localhost" else found
