"""TCP connections as the capture shows them.

A connection is one incarnation of a 4-tuple: a new SYN with a new initial sequence number starts
another (RFC 9293 §3.6.1: ports are reused). Frames are numbered through the files of the capture
point, so with one file they are Wireshark's numbers; `Trace.ref()` turns one into a `FrameRef`.
Times are ns since the epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from lbtrace.model.net import Endpoint, SynFingerprint


class RoleSource(StrEnum):
    """How client and server of a connection were told apart, strongest first."""

    SYN = "syn"
    SYNACK = "syn-ack"
    PAYLOAD = "payload"  # who speaks HTTP (or TLS, or a PROXY header) as a client does
    # the lower or well-known port is taken for the server's: a guess, and said to be one
    PORT = "port"


class Direction(NamedTuple):
    """What one end of a connection sent. `*_frame` is None when the capture shows none.

    `packets` counts segments, `bytes` distinct payload bytes in sequence space that were captured,
    `missing` bytes of sequence space that were sent (something after them was seen or acknowledged)
    but are not in the capture, `truncated` the part of `missing` that was cut by the snapshot
    length. `isn` is the initial sequence number, known from the SYN only; `start_seq` is the
    sequence number of offset 0 of its stream, known from any segment that occupies sequence space.
    `lost` counts bytes that the other end acknowledged and no packet in the capture holds.
    `retransmissions` counts segments that repeat bytes already seen; `repeats` counts those of them
    that were sent before the capture shows an acknowledgement, the first at `repeat_frame`.
    `deferred_frame` is the first SYN or SYN-ACK that was sent again though acknowledged.
    `delayed_for_ns` is the longest time for which a lost segment held the stream up: from its first
    copy, or from later bytes that were there, to the segment at `delayed_frame`.
    `ack_waits` counts how often a small segment was sent only when the one before it was
    acknowledged, which came late: `ack_wait_for_ns` later than usual at most; `ack_wait_frame` is
    what was sent then.
    `unacked` counts how often segments with payload were sent of which the other end, which
    acknowledged something, acknowledged nothing: the first at `unacked_frame`, after
    `unacked_idle_ns` of silence on the connection, the last at `unacked_last_ns`; `unacked_least`
    is the smallest payload sent at the first unacknowledged byte. `acked_most` is the largest
    payload of a segment that was acknowledged.
    `answers_fin`: its first FIN or RST acknowledges the FIN of the other end, so it came after it.
    `fin_unseen`: its FIN was acknowledged and is not in the capture: it may have closed first.
    `out_of_order` counts segments that arrived after later bytes and were new, `zero_windows`
    segments that advertised a window of 0, the first at `window_closed_frame`; together the window
    was closed for `window_closed_for_ns`.
    """

    packets: int
    bytes: int
    missing: int
    truncated: int
    retransmissions: int
    out_of_order: int
    zero_windows: int
    fins: int
    rsts: int
    isn: int | None
    fin_frame: int | None
    fin_ns: int | None
    rst_frame: int | None
    rst_ns: int | None
    first_payload_frame: int | None
    first_payload_ns: int | None
    last_payload_ns: int | None
    syn: SynFingerprint | None
    start_seq: int | None = None
    lost: int = 0
    repeats: int = 0
    repeat_frame: int | None = None
    repeat_ns: int | None = None
    deferred_frame: int | None = None
    deferred_ns: int | None = None
    unacked: int = 0
    unacked_frame: int | None = None
    unacked_ns: int | None = None
    unacked_last_ns: int | None = None
    unacked_idle_ns: int = 0
    unacked_least: int = 0
    acked_most: int = 0
    window_closed_frame: int | None = None
    window_closed_ns: int | None = None
    window_closed_for_ns: int = 0
    last_packet_ns: int | None = None
    delayed_for_ns: int = 0
    delayed_frame: int | None = None
    delayed_ns: int | None = None
    ack_waits: int = 0
    ack_wait_for_ns: int = 0
    ack_wait_frame: int | None = None
    ack_wait_ns: int | None = None
    answers_fin: bool = False
    fin_unseen: bool = False

    @property
    def ended(self) -> tuple[int, int] | None:
        """(time, frame) of its first FIN or RST; None when it sent none."""
        ways = (self.fin_ns, self.fin_frame), (self.rst_ns, self.rst_frame)
        known = [(ns, frame) for ns, frame in ways if ns is not None and frame is not None]
        return min(known, default=None)


class Connection(NamedTuple):
    """One TCP connection as one capture point saw it.

    `syns` counts distinct SYNs without ACK (0 when the start was not captured, else 1),
    `syn_retransmissions` their repetitions, `synacks` the SYN-ACKs seen. `opened`: the three-way
    handshake was completed in the capture. `network` names the VLAN or tunnel the packets were in,
    "" for none. `established_ns` is the time of the ACK that completed the handshake.
    """

    id: int
    client: Endpoint
    server: Endpoint
    network: str
    role_source: RoleSource
    syns: int
    syn_retransmissions: int
    synacks: int
    opened: bool
    syn_frame: int | None
    syn_ns: int | None
    synack_ns: int | None
    established_ns: int | None
    first_frame: int
    first_ns: int
    last_frame: int
    last_ns: int
    from_client: Direction
    from_server: Direction

    @property
    def already_open(self) -> bool:
        """True when the start of the connection was not captured."""
        return self.syns == 0

    @property
    def closed_by(self) -> tuple[str, str] | None:
        """Which end closed first, and how: ("client" or "server", "FIN" or "RST"); None when
        neither did, or the FIN of one is not in the capture.
        """
        if self.from_client.fin_unseen or self.from_server.fin_unseen:
            return None
        closes = [
            (ns, end, how)
            for end, sent in (("client", self.from_client), ("server", self.from_server))
            for ns, how in ((sent.fin_ns, "FIN"), (sent.rst_ns, "RST"))
            if ns is not None and not sent.answers_fin
        ]
        return min(closes)[1:] if closes else None

    @property
    def client_is_whole(self) -> bool:
        """True when every byte that the client sent is in the capture: a request that is not there
        was not sent.
        """
        return self.syns > 0 and self.from_client.missing == 0
