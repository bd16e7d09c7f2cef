"""Where things are: sides, endpoints, frames.

A *side* is where a capture was taken: in front of the load balancer (client) or behind it
(backend). A *capture point* is one place with one clock; a side may have several, and a point may
be written to several files (a rotated capture). A *frame* is numbered as Wireshark numbers it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """Which side of the load balancer a capture point is on."""

    CLIENT = "client"
    BACKEND = "backend"


class Endpoint(NamedTuple):
    """An IP address (text form of RFC 5952 for IPv6) and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


class FrameRef(NamedTuple):
    """The address of a fact: one frame of one file of one capture point.

    `point` counts the capture points of the side from 0, `file` the files of the point from 0;
    `number` is the frame number Wireshark shows when that file is opened; `time_ns` is ns since the
    epoch by the clock of that point.
    """

    side: Side
    point: int
    file: int
    number: int
    time_ns: int


class IcmpKind(StrEnum):
    """Why a packet was not delivered, as an ICMP message says."""

    TOO_BIG = "too-big"  # it does not fit through the path (MTU)
    UNREACHABLE = "unreachable"  # its host or port is not reachable, or a firewall forbids it
    EXPIRED = "expired"  # its TTL ran out, or fragments of it are missing


class IcmpError(NamedTuple):
    """An ICMP message about a packet that was not delivered (RFC 792, RFC 4443).

    `mtu` is the size that fits, 0 where that is not said. `sender` reports it. `protocol` ("TCP",
    "UDP"), `source` and `target` are those of the packet that was not delivered. Frames are
    numbered through the files of the point.
    """

    kind: IcmpKind
    code: int
    mtu: int
    sender: str
    protocol: str
    source: Endpoint
    target: Endpoint
    frame: int
    time_ns: int


class SynFingerprint(NamedTuple):
    """What a SYN or SYN-ACK tells about the TCP stack (or the middlebox) that sent it (RFC 9293
    §3.2, RFC 7323).

    `options` are the option kinds in wire order; `mss`, `window_scale`, `timestamp` are None when
    absent.
    """

    ttl: int
    window: int
    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamp: int | None
    options: tuple[int, ...]
