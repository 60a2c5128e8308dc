"""Which addresses and names of this machine are worth telling to a phone."""

import ipaddress
import socket
from collections import namedtuple

import psutil
import pytest

from bodylens_server import addresses

Entry = namedtuple("Entry", "family address")
Stats = namedtuple("Stats", "isup")


@pytest.fixture
def machine(monkeypatch):
    """Give this machine other interfaces: `machine(route, eth0=[...], ...)`; a name that ends with _down is down."""

    def machine(route, **interfaces):
        entries = {
            name: [Entry(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in texts]
            for name, texts in interfaces.items()
        }
        monkeypatch.setattr(psutil, "net_if_addrs", lambda: entries)
        monkeypatch.setattr(psutil, "net_if_stats", lambda: {n: Stats(not n.endswith("_down")) for n in interfaces})
        monkeypatch.setattr(addresses, "default_route", lambda: route and ipaddress.ip_address(route))
        return [str(address) for address in addresses.find()]

    return machine


def test_the_address_of_the_default_route_comes_first(machine):
    found = machine("192.168.1.7", eth0=["10.0.0.2"], wlan0=["192.168.1.7", "fd00::7"])
    assert found == ["192.168.1.7", "10.0.0.2", "fd00::7"]


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "fe80::1%eth0", "2001:db8::5", "0.0.0.0"])
def test_what_no_phone_reaches_for_long_is_left_out(machine, text):
    assert machine("192.168.1.7", eth0=["192.168.1.7", text]) == ["192.168.1.7"]


def test_networks_of_containers_and_interfaces_that_are_down_are_left_out(machine):
    assert machine(None, docker0=["172.17.0.1"], veth12=["10.9.9.9"], eth0_down=["10.0.0.1"]) == []


def test_two_machines_on_a_cable_find_each_other(machine):
    assert machine(None, eth0=["169.254.3.4"], wlan0=["10.0.0.2"]) == ["10.0.0.2", "169.254.3.4"]


def test_this_very_machine_can_be_asked():
    for address in addresses.find():
        assert addresses.usable(address)


@pytest.mark.parametrize(
    ("hostname", "names"),
    [
        ("desk", ["desk.local"]),
        ("Desk.local", ["desk.local"]),
        ("desk.example.org.", ["desk.local", "desk.example.org"]),
        ("dev", ["dev.local"]),  # never `dev` itself: that is a domain with sites of its own
        ("localhost", []),
        ("localhost.localdomain", []),
        ("my_desk", []),
        ("", []),
    ],
)
def test_the_names_of_a_machine(monkeypatch, hostname, names):
    monkeypatch.setattr(socket, "gethostname", lambda: hostname)
    assert addresses.names() == names
