"""One packet on the slow path: a position that moves inwards through its headers, and what was
taken off on the way.

A *step* reads the header at `packet.at`, moves `at` behind it and answers with the next step, with
a `Skip`, or with the `IpHeader` around a TCP segment. Reading beyond the captured bytes raises
`Cut`, which `slow_path` turns into the skip "truncated-headers"; it never leaves this room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lbtrace.decode.fragments import Fragments
from lbtrace.model.net import IcmpError
from lbtrace.tables.packets import Buffer


class Cut(Exception):
    """A header is not wholly in the capture."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a packet is no TCP segment; packets are counted by `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class IpHeader:
    """What an IP header says; `ip_id` is 0 for IPv6."""

    source: bytes
    target: bytes
    ttl: int
    ip_id: int

    @property
    def is_v6(self) -> bool:
        """Whether the addresses are of IPv6."""
        return len(self.source) == 16


@dataclass(slots=True)
class Packet:
    """`data[at:end]` is what is left of the packet in the capture; on the wire it went on to
    `wire_end`.

    `ip` is the innermost IP header seen. `networks` names the tags and tunnels around it that tell
    networks apart, outermost first; `peeled` names every tag and tunnel, once for each header.
    `made`: `data` was put together from fragments or decompressed, it is not the capture. `icmp` is
    what an ICMP message says of a packet that was not delivered.
    """

    data: Buffer
    at: int
    end: int
    wire_end: int
    link: int = 0
    record: int = 0
    buffer: int = 0
    time_ns: int = 0
    fragments: Fragments | None = None
    networks: list[str] = field(default_factory=list)
    peeled: list[str] = field(default_factory=list)
    ip: IpHeader | None = None
    made: bool = False
    icmp: IcmpError | None = None

    def u8(self, at: int) -> int:
        """A byte, `at` relative to the position."""
        at += self.at
        if at >= self.end:
            raise Cut
        return self.data[at]

    def u16(self, at: int) -> int:
        """Two bytes, network order."""
        return self.uint(at, 2)

    def u32(self, at: int) -> int:
        """Four bytes, network order."""
        return self.uint(at, 4)

    def uint(self, at: int, size: int, order: Literal["big", "little"] = "big") -> int:
        """`size` bytes as an unsigned integer."""
        return int.from_bytes(self.take(at, size), order)

    def take(self, at: int, size: int) -> bytes:
        """`size` bytes."""
        at += self.at
        if at + size > self.end:
            raise Cut
        return bytes(self.data[at : at + size])

    def skip_options(self, size: int) -> None:
        """Move behind a header of `size` bytes, all of which must be captured."""
        if self.at + size > self.end:
            raise Cut
        self.at += size

    def limit(self, size: int) -> None:
        """The packet ends `size` bytes after the position, as a length field says; what follows is
        padding or trailer.
        """
        self.wire_end = self.at + size
        self.end = min(self.end, self.wire_end)

    def replace(self, data: bytes, captured: int) -> None:
        """Go on in bytes that are not the capture's, of which the first `captured` are known."""
        self.data, self.at, self.end, self.wire_end = data, 0, captured, len(data)
        self.made = True


Step: TypeAlias = "Callable[[Packet], Step | Skip | IpHeader]"
Outcome: TypeAlias = "Step | Skip | IpHeader"
