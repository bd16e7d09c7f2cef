"""Packets that are passed on keep their sequence numbers: their exchanges are the same ones."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lbtrace import compare
from lbtrace.match import match
from lbtrace.match.same_packets import same_packets
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.stream import Connection
from lbtrace.options import DEFAULT
from tests.http.packets import Wire
from tests.http.streams import get, ok
from tests.match.states import unpaired
from tests.simulator.scenarios import SCENARIOS
from tests.tls.wire import Tls

HEADER, RECORD = 24, 16  # bytes of a pcap file, and of each record in it


def passed_on(capture: bytes) -> bytes:
    """The same packets 300 µs later, with another address of the server."""
    out, at = [capture[:HEADER]], HEADER
    while at < len(capture):
        second, micros, size, wire = struct.unpack_from("<IIII", capture, at)
        data = capture[at + RECORD : at + RECORD + size]
        out.append(struct.pack("<IIII", second, micros + 300, size, wire))
        out.append(data.replace(bytes([10, 0, 0, 2]), bytes([10, 0, 0, 9])))
        at += RECORD + size
    return b"".join(out)


@pytest.mark.parametrize("opened", [True, False])
def test_where_both_ends_ask_each_request_is_paired_with_itself(
    opened: bool, tmp_path: Path
) -> None:
    """The k-th requests of both ends begin at the same offset of their streams."""
    wire = Wire().open() if opened else Wire()
    for k in range(4):
        wire.say(0, get(f"/c{k}"), f"c{k}").say(1, get(f"/s{k}"), f"s{k}")
    (tmp_path / "a.pcap").write_bytes(wire.close().pcap())
    (tmp_path / "b.pcap").write_bytes(passed_on(wire.pcap()))
    report = compare(str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap"))
    asked, arrived = (side[0].exchanges for side in (report.clients, report.backends))
    targets = {}
    for pair in report.correlation.pairs:
        request = asked[pair.client.id].request
        others = [arrived[attempt.backend.id].request for attempt in pair.attempts]
        assert request is not None
        targets[request.target] = [other.target for other in others if other is not None]
    assert {target: [target] for target in targets} == targets
    assert len(targets) == 8 or not opened


def test_ordinary_exchanges_are_paired_by_their_offsets(tmp_path: Path) -> None:
    wire = Wire().open()
    for k in range(3):
        wire.say(0, get("/same"), f"q{k}").say(1, ok(b"x"), f"a{k}").acknowledge(0)
    (tmp_path / "a.pcap").write_bytes(wire.close().pcap())
    (tmp_path / "b.pcap").write_bytes(passed_on(wire.pcap()))
    pairs = compare(str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap")).correlation.pairs
    assert [(p.client.id, p.attempts[0].backend.id) for p in pairs] == [(k, k) for k in range(3)]
    assert {p.confidence for p in pairs} == {Confidence.CERTAIN}


@pytest.mark.parametrize("side", ["client", "backend"])
def test_ports_that_are_equal_by_chance_make_no_pair_where_both_starts_were_captured(
    side: str,
) -> None:
    """A balancer that keeps the ports has numbers of its own; one connection began before one of
    the captures.
    """
    recorded = SCENARIOS["direct"]().run()
    (front,), (back,) = recorded.clients, recorded.backends
    own = [
        c._replace(
            from_client=c.from_client._replace(isn=(c.from_client.isn or 0) + 1, syn=None),
            from_server=c.from_server._replace(isn=(c.from_server.isn or 0) + 1),
        )
        for c in back.connections
    ]
    if side == "client":
        (first, *others) = front.connections
        front = replace(front, connections=[late(first), *others])
        expected = [first.id]
    else:
        expected = [own[0].id]
        own[0] = late(own[0])
    state = match([front], [replace(back, connections=own)], DEFAULT)
    paired = [p for p in state.connection_pairs if p.basis is ConnectionBasis.SAME_PACKETS]
    found = [p.client.id if side == "client" else p.backend.id for p in paired]
    assert found == expected, "its start is in one capture only"


def late(connection: Connection) -> Connection:
    """As a capture shows it that began later, and in which no message tells it from others."""
    unknown: dict[str, Any] = {"isn": None, "syn": None, "start_seq": None}
    return connection._replace(
        syns=0,
        from_client=connection.from_client._replace(**unknown),
        from_server=connection.from_server._replace(**unknown),
    )


@pytest.mark.parametrize("other_port", [False, True])
@pytest.mark.parametrize("stamp", [None, 7])
@pytest.mark.parametrize("other_stamp", [None, 7, 8])
def test_the_number_of_one_end_is_asked_for_with_its_timestamp_or_its_port(
    other_port: bool, stamp: int | None, other_stamp: int | None
) -> None:
    """Neither capture has the server's SYN, so the numbers of both ends are not known."""
    recorded = SCENARIOS["direct"]().run()
    (front,), (back,) = recorded.clients, recorded.backends
    fronts, backs = (
        [one_number(c, moved, here) for c in trace.connections]
        for trace, moved, here in ((front, 0, stamp), (back, 1000 * other_port, other_stamp))
    )
    state = unpaired([replace(front, connections=fronts)], [replace(back, connections=backs)])
    found = same_packets(state.client, state.backend)
    same = stamp == other_stamp and (stamp is not None or not other_port)
    assert len(found) == (len(fronts) if same else 0)


def one_number(connection: Connection, moved: int, stamp: int | None) -> Connection:
    """Without the server's SYN, with another port and timestamp."""
    syn = connection.from_client.syn
    assert syn is not None
    return connection._replace(
        client=connection.client._replace(port=connection.client.port + moved),
        from_client=connection.from_client._replace(syn=syn._replace(timestamp=stamp)),
        from_server=connection.from_server._replace(isn=None, syn=None),
    )


@pytest.mark.parametrize("same", [True, False])
def test_equal_numbers_do_not_pair_connections_that_greet_differently(
    same: bool, tmp_path: Path
) -> None:
    """Two ClientHellos are two connections, whatever numbers they begin with."""
    for name, greeting in (("a", "one"), ("b", "one" if same else "other")):
        tls = Tls(0x1301, name=greeting).handshake()
        wire = Wire(ports=(40001, 443), isn=(5, 6)).open()
        for who, data in tls.sent:
            wire.say(who, data, "")
        data = wire.close().pcap()
        (tmp_path / f"{name}.pcap").write_bytes(data if name == "a" else passed_on(data))
    found = compare(tmp_path / "a.pcap", tmp_path / "b.pcap").correlation.connection_pairs
    bases = {p.basis for p in found}
    assert (ConnectionBasis.SAME_PACKETS in bases) == same
