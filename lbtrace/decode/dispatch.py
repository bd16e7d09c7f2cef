"""Numbers in headers → what reads the header they announce: Wireshark's dissector tables.

A module that reads a header registers its step under every number that announces it, in as many
tables as there are:

    @UDP_PORTS.register(6635)
    @IP_PROTOCOLS.register(137)
    @ETHERTYPES.register(0x8847, 0x8848)
    @counted("mpls")
    def mpls(packet: Packet) -> Outcome: ...

A step that needs to go on by number asks the table, so modules need not import each other, and
imports form no circle (a contract in pyproject.toml). Numbers whose packets carry no TCP that could
be read are registered with the reason under which they are skipped. `lbtrace.decode` imports every
module of its folder; that fills the tables.

Invariant: each number of a table has one outcome; whoever registers a second one is refused.

The common ones of them can be read for thousands of packets at once: FAST_LINKS and FAST_TUNNELS
hold how. What a fast reader says of a packet is what the step says (a law in the tests).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TypeAlias

from lbtrace.decode.packet import Outcome, Packet, Skip, Step
from lbtrace.tables.columns import Column
from lbtrace.tables.views import Views


class DispatchTable:
    """The numbers of one header field. `unknown` gives the reason why a number that nobody
    registered is skipped.
    """

    def __init__(self, unknown: Callable[[int], str]) -> None:
        self._unknown = unknown
        self._outcomes: dict[int, Outcome] = {}

    def register(self, *numbers: int) -> Callable[[Step], Step]:
        """A decorator: the step reads what these numbers announce. Raises ValueError for a number
        that is taken.
        """

        def registered(step: Step) -> Step:
            for number in numbers:
                self._set(number, step)
            return step

        return registered

    def skip(self, reasons: Mapping[int, str]) -> None:
        """Numbers whose packets are skipped, and under which reason."""
        for number, reason in reasons.items():
            self._set(number, Skip(reason))

    def _set(self, number: int, outcome: Outcome) -> None:
        if number in self._outcomes:
            raise ValueError(f"{number:#x} is registered twice")
        self._outcomes[number] = outcome

    def __getitem__(self, number: int) -> Outcome:
        """The step for a number, or why packets with it are skipped."""
        return self._outcomes.get(number) or Skip(self._unknown(number))

    def __contains__(self, number: int) -> bool:
        """Whether a step reads what the number announces."""
        return callable(self._outcomes.get(number))

    def numbers(self) -> list[int]:
        """Those with a step, in order."""
        return sorted(number for number in self._outcomes if number in self)


LINK_TYPES = DispatchTable(lambda number: f"link type {number}")  # tcpdump.org/linktypes.html
ETHERTYPES = DispatchTable(lambda number: f"ethertype 0x{number:04x}")  # IEEE 802 numbers
IP_PROTOCOLS = DispatchTable(lambda number: f"ip protocol {number}")  # IANA protocol numbers
UDP_PORTS = DispatchTable(lambda _: "udp")
PPP_PROTOCOLS = DispatchTable(  # IANA PPP numbers; from 0x8000 on they are of control protocols
    lambda number: "ppp-control" if number >= 0x8000 else f"ppp protocol 0x{number:04x}"
)

# EtherTypes that steps name: IP, and a whole Ethernet frame (transparent Ethernet bridging)
IPV4, IPV6, BRIDGED_ETHERNET = 0x0800, 0x86DD, 0x6558


def counted(name: str) -> Callable[[Step], Step]:
    """A decorator: `PacketCounts.peeled` counts each packet that this step reads under `name`."""

    def decorated(step: Step) -> Step:
        @wraps(step)
        def counting(packet: Packet) -> Outcome:
            packet.peeled.append(name)
            return step(packet)

        return counting

    return decorated


def behind(size: int, following: Step) -> Step:
    """The step over a header of `size` bytes that says nothing of what follows."""

    def step(packet: Packet) -> Outcome:
        packet.at += size
        return following

    return step


def ethertype_at(packet: Packet, at: int) -> Outcome:
    """What the EtherType `at` bytes behind the position announces; the position moves behind it."""
    kind = packet.u16(at)
    packet.at += at + 2
    return ETHERTYPES[kind]


def behind_ethertype(at: int) -> Step:
    """The step over a header whose last two bytes, after `at` others, are an EtherType."""
    return lambda packet: ethertype_at(packet, at)


LocateLink: TypeAlias = Callable[[Views, Column], tuple[Column, Column]]
LocateTunnel: TypeAlias = Callable[[Views, Column], tuple[Column, Column, Column, Column]]


@dataclass(frozen=True, slots=True)
class FastLink:
    """A link type read for many packets at once. `header_bytes` is its shortest header. `locate`
    takes the offsets of packets (that many bytes of each are captured) to the offsets behind the
    header and the EtherTypes there, −1 where only the step can tell. `kind_at`: where the EtherType
    stands in a header that always has `header_bytes`; −1 where that is not so.
    """

    header_bytes: int
    locate: LocateLink
    kind_at: int = -1


@dataclass(frozen=True, slots=True)
class FastTunnel:
    """A tunnel read for many packets at once. `locate` takes the offsets of tunnel headers (12
    bytes of each are captured) to the offsets inside, the EtherTypes there, the identifiers (−1
    without), and whether these three hold; where they do not, only the step can tell.
    """

    name: str
    locate: LocateTunnel


FAST_LINKS: dict[int, FastLink] = {}
FAST_IP_PROTOCOLS: dict[int, FastTunnel] = {}
FAST_UDP_PORTS: dict[int, FastTunnel] = {}


def fast_link(
    *numbers: int, header_bytes: int, kind_at: int = -1
) -> Callable[[LocateLink], LocateLink]:
    """A decorator: these link types are located so."""

    def registered(locate: LocateLink) -> LocateLink:
        FAST_LINKS.update(dict.fromkeys(numbers, FastLink(header_bytes, locate, kind_at)))
        return locate

    return registered


def fast_tunnel(
    name: str, ip_protocols: tuple[int, ...] = (), udp_ports: tuple[int, ...] = ()
) -> Callable[[LocateTunnel], LocateTunnel]:
    """A decorator: what these numbers announce is located so, and counted under `name`."""

    def registered(locate: LocateTunnel) -> LocateTunnel:
        tunnel = FastTunnel(name, locate)
        FAST_IP_PROTOCOLS.update(dict.fromkeys(ip_protocols, tunnel))
        FAST_UDP_PORTS.update(dict.fromkeys(udp_ports, tunnel))
        return locate

    return registered
