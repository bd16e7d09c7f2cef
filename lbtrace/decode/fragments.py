"""IP fragments → datagrams (RFC 791 §3.2, RFC 8200 §4.5).

The frame of a datagram is the one that completes it, as in Wireshark. Where fragments overlap, the
bytes that came first stay. Bytes that the snapshot length cut off are unknown: the datagram counts
as captured up to the first of them.

Invariant: memory is bounded. The oldest unfinished datagrams make room for new ones, and one older
than MAX_AGE_NS is given up, since its identification may be in use again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PENDING_DATAGRAMS = 4096
MAX_PENDING_BYTES = 32 << 20
# what all compressed packets together may become: a small file may hold a thousand times its size
MAX_UNPACKED_BYTES = 128 << 20
MAX_DATAGRAM_BYTES = 65_535
MAX_AGE_NS = 60_000_000_000
UNIT_BYTES = 8  # fragments begin at multiples of it

# source, target, protocol (0 for IPv6), identification, network
Key = tuple[bytes, bytes, int, int, str]


@dataclass(slots=True)
class Datagram:
    """What is known of a datagram. `have` has a bit for each unit; `total` is its length once the
    last fragment is there; `known` is where the first byte is that the snapshot length cut off.
    """

    since_ns: int
    protocol: int
    data: bytearray = field(default_factory=bytearray)
    have: int = 0
    total: int | None = None
    known: int = MAX_DATAGRAM_BYTES + 1


@dataclass(slots=True)
class Whole:
    """A datagram put together: its payload (zeros from `captured` on), and the protocol the first
    fragment states.
    """

    data: bytes
    captured: int
    protocol: int


class Fragments:
    """The datagrams under way, and a buffer for bytes that do not stand in the capture: datagrams
    put together, and decompressed ones, that hold TCP.
    """

    def __init__(self) -> None:
        self._pending: dict[Key, Datagram] = {}
        self._bytes = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self.given_up = 0
        self.unpacked_bytes = 0

    def add(
        self,
        key: Key,
        protocol: int,
        offset: int,
        more: bool,
        data: bytes,
        carried: int,
        time_ns: int,
    ) -> Whole | None:
        """One fragment (`data` captured of `carried` bytes) → its datagram if that is now
        complete.
        """
        size = offset + carried
        if size > MAX_DATAGRAM_BYTES or (more and carried % UNIT_BYTES) or not carried:
            return None
        datagram = self._pending.get(key)
        if datagram is not None and not 0 <= time_ns - datagram.since_ns <= MAX_AGE_NS:
            self._drop(key)
            datagram = None
        if datagram is None:
            self._make_room()
            datagram = self._pending[key] = Datagram(time_ns, protocol)
        if not offset:
            datagram.protocol = protocol
        if not more:
            if datagram.total not in (None, size):
                return None  # it contradicts another one about the end
            datagram.total = size
        self._place(datagram, offset, data, carried)
        if datagram.total is None or datagram.have != (1 << -(-datagram.total // UNIT_BYTES)) - 1:
            return None
        self._forget(key)
        captured = min(datagram.known, datagram.total)
        return Whole(bytes(datagram.data[: datagram.total]), captured, datagram.protocol)

    def may_unpack(self) -> bool:
        """Whether another packet may be decompressed."""
        return self.unpacked_bytes < MAX_UNPACKED_BYTES

    def keep(self, data: bytes) -> int:
        """Put a datagram into the buffer; where it begins there."""
        at = self._kept_bytes
        self._kept.append(data)
        self._kept_bytes += len(data)
        return at

    def buffer(self) -> bytes:
        """Every datagram kept, end to end."""
        return b"".join(self._kept)

    @property
    def unfinished(self) -> int:
        """Datagrams that never became whole."""
        return self.given_up + len(self._pending)

    def _place(self, datagram: Datagram, offset: int, data: bytes, carried: int) -> None:
        if len(data) < carried:
            datagram.known = min(datagram.known, offset + len(data))
            data = data + bytes(carried - len(data))
        if len(datagram.data) < offset + carried:
            self._bytes += offset + carried - len(datagram.data)
            datagram.data.extend(bytes(offset + carried - len(datagram.data)))
        first, units = offset // UNIT_BYTES, -(-carried // UNIT_BYTES)
        mask = ((1 << units) - 1) << first
        if not datagram.have & mask:
            datagram.data[offset : offset + carried] = data
        else:
            for unit in range(units):
                if not datagram.have >> (first + unit) & 1:
                    part = data[unit * UNIT_BYTES : (unit + 1) * UNIT_BYTES]
                    at = offset + unit * UNIT_BYTES
                    datagram.data[at : at + len(part)] = part
        datagram.have |= mask

    def _make_room(self) -> None:
        while self._pending and (
            len(self._pending) >= MAX_PENDING_DATAGRAMS or self._bytes >= MAX_PENDING_BYTES
        ):
            self._drop(next(iter(self._pending)))

    def _drop(self, key: Key) -> None:
        self.given_up += 1
        self._forget(key)

    def _forget(self, key: Key) -> None:
        self._bytes -= len(self._pending.pop(key).data)
