"""The addresses of an experiment, of IPv4 or of IPv6, and how they are written.

Those of IPv4 are the ones of the founding experiment; those of IPv6 are for documentation
(RFC 3849). Programs write "address:port" in ways of their own in their logs: with brackets around
an IPv6 address or without, with its zeros or without. `spelt` gives all of them one spelling.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from lbtrace.model.net import Endpoint

LAPTOP, OFFICE, HOME, INTERNET, BALANCER, VPC, INSTANCE, SECOND = (
    "laptop",
    "office",
    "home",
    "internet",
    "balancer",
    "vpc",
    "instance",
    "second",
)
APP_PORT = 8080

# (host, interface, host at the other end, its interface)
LINKS = (
    (LAPTOP, "eth0", HOME, "lan"),
    (HOME, "wan", INTERNET, "home"),
    (OFFICE, "eth0", INTERNET, "office"),
    (INTERNET, "balancer", BALANCER, "front"),
    (BALANCER, "back", VPC, "balancer"),
    (VPC, "instance", INSTANCE, "eth0"),
    (VPC, "second", SECOND, "eth0"),
)


class AddressPlan(NamedTuple):
    """Who has which address. `links`: "address/prefix" at both ends of each of LINKS. `routes`:
    (host, destination, gateway). `past_home`: routes of the internet's to hosts behind a router
    that does not translate. `family`: the word of nftables and of `ip route` for this version.
    """

    version: int
    family: str
    front: str
    node: str
    instance: str
    second: str
    links: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, str, str], ...]
    past_home: tuple[tuple[str, str], ...]
    forwarding: str

    @property
    def backends(self) -> tuple[tuple[str, str], ...]:
        """The hosts that can be backends, with their addresses."""
        return (INSTANCE, self.instance), (SECOND, self.second)


IPV4 = AddressPlan(
    4,
    "ip",
    "3.35.166.21",
    "172.31.42.119",
    "172.31.11.95",
    "172.31.22.80",
    (
        ("192.168.0.5/24", "192.168.0.1/24"),
        ("1.240.235.98/30", "1.240.235.97/30"),
        ("203.0.113.7/24", "203.0.113.1/24"),
        ("3.35.166.1/24", "3.35.166.21/24"),
        ("172.31.42.119/20", "172.31.32.1/20"),
        ("172.31.0.1/20", "172.31.11.95/20"),
        ("172.31.16.1/20", "172.31.22.80/20"),
    ),
    (
        (LAPTOP, "default", "192.168.0.1"),
        (HOME, "default", "1.240.235.97"),
        (OFFICE, "default", "203.0.113.1"),
        (BALANCER, "default", "3.35.166.1"),
        (BALANCER, "172.31.0.0/16", "172.31.32.1"),
        (VPC, "default", "172.31.42.119"),
        (INSTANCE, "default", "172.31.0.1"),
        (SECOND, "default", "172.31.16.1"),
    ),
    (("192.168.0.0/24", "1.240.235.98"), ("172.31.0.0/16", "3.35.166.21")),
    "/proc/sys/net/ipv4/ip_forward",
)
IPV6 = AddressPlan(
    6,
    "ip6",
    "2001:db8:3::21",
    "2001:db8:172:42::119",
    "2001:db8:172:11::95",
    "2001:db8:172:22::80",
    (
        ("2001:db8:5::5/64", "2001:db8:5::1/64"),
        ("2001:db8:98::2/64", "2001:db8:98::1/64"),
        ("2001:db8:7::7/64", "2001:db8:7::1/64"),
        ("2001:db8:3::1/64", "2001:db8:3::21/64"),
        ("2001:db8:172:42::119/64", "2001:db8:172:42::1/64"),
        ("2001:db8:172:11::1/64", "2001:db8:172:11::95/64"),
        ("2001:db8:172:22::1/64", "2001:db8:172:22::80/64"),
    ),
    (
        (LAPTOP, "default", "2001:db8:5::1"),
        (HOME, "default", "2001:db8:98::1"),
        (OFFICE, "default", "2001:db8:7::1"),
        (BALANCER, "default", "2001:db8:3::1"),
        (BALANCER, "2001:db8:172::/48", "2001:db8:172:42::1"),
        (VPC, "default", "2001:db8:172:42::119"),
        (INSTANCE, "default", "2001:db8:172:11::1"),
        (SECOND, "default", "2001:db8:172:22::1"),
    ),
    (("2001:db8:5::/64", "2001:db8:98::2"), ("2001:db8:172::/48", "2001:db8:3::21")),
    "/proc/sys/net/ipv6/conf/all/forwarding",
)


def spelt(text: str) -> str:
    """ "address:port" as a program logs it → as an Endpoint is written. What is no such thing stays
    as it is: a log may have "" or a name there.
    """
    address, _, port = text.rpartition(":")
    try:
        return str(Endpoint(str(ip_address(address.strip("[]"))), int(port)))
    except ValueError:
        return text


def address_of(endpoint: str) -> str:
    """The address of what `spelt` gave."""
    return endpoint.rpartition(":")[0].strip("[]")
