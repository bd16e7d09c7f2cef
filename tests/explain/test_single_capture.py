"""One capture taken on the balancer itself is split into its two sides; one that holds one side
only is not.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.correlate import split
from lbtrace.explain.single_capture import _held, _holding, _hubs
from lbtrace.explain.swapped import reversed_share
from lbtrace.match.legs import part_of
from lbtrace.model.http import Exchange
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.model.trace import Trace
from lbtrace.pipeline import compare, compare_on_balancer, inspect
from tests.match.states import unpaired
from tests.simulator.scenarios import SCENARIOS

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def merged(folder: Path, sample: str) -> str:
    """What a capture on the balancer would hold: the packets of both sides, in order of time."""
    if shutil.which("mergecap") is None:
        pytest.skip("mergecap (tshark) is not installed")
    path = folder / "both.pcapng"
    captures = [str(p) for p in sorted((SAMPLES / sample).glob("*.pcap"))]
    subprocess.run(["mergecap", "-w", str(path), *captures], check=True)
    return str(path)


@pytest.mark.parametrize(
    "sample",
    ["alb-like", "nginx", "haproxy", "varnish", "nlb-like", "nlb-like-snat", "haproxy-tcp"],
)
def test_a_capture_on_the_balancer_tells_what_two_captures_tell(
    tmp_path: Path, sample: str
) -> None:
    folder = SAMPLES / sample
    apart = compare(
        [[str(folder / "client.pcap")]], [[str(p)] for p in sorted(folder.glob("backend*.pcap"))]
    )
    together = compare_on_balancer([merged(tmp_path, sample)])
    assert together.verdict.kind == apart.verdict.kind
    assert together.client_counts.syns == apart.client_counts.syns
    assert together.client_counts.requests == apart.client_counts.requests
    assert len(together.correlation.pairs) >= len(apart.correlation.pairs)


@pytest.mark.parametrize("capture", ["client.pcap", "backend.pcap"])
def test_one_side_alone_is_not_split(capture: str) -> None:
    assert split(inspect([str(SAMPLES / "alb-like" / capture)])) is None


def test_the_addresses_of_the_balancer_can_be_stated(tmp_path: Path) -> None:
    parts = split(inspect([merged(tmp_path, "alb-like")]), ("3.35.166.21", "172.31.42.119"))
    assert parts is not None
    front, back = parts
    assert (front.side, back.side) == (Side.CLIENT, Side.BACKEND)
    assert [len(front.exchanges), len(back.exchanges)] == [4, 7]
    assert [c.id for c in back.connections] == list(range(len(back.connections)))


def test_only_pairs_made_by_more_than_time_tell_that_captures_were_swapped() -> None:
    """A cache hit is over before the fetch it leaves behind: a pair of the two by time says nothing
    about the order of the captures.
    """
    recorded = SCENARIOS["founding-alb"]().run()
    for tier, expected in ((Tier.TIME, (0, 0)), (Tier.RARE_TOKEN, (1, 1))):
        state = unpaired(recorded.backends, recorded.clients)
        asked = next(
            i
            for i, e in enumerate(recorded.backends[0].exchanges)
            if e.request is not None and e.request.target.startswith("/divide")
        )
        state.add(asked, [0], tier, Confidence.MEDIUM, ())
        assert reversed_share(state) == expected


def on_any_interface(path: str) -> str:
    """What `tcpdump -i any` on the balancer would have written: behind Linux cooked headers that
    tell who sent each packet.

    The balancer takes connections at 3.35.166.21 and opens its own from 172.31.42.119.
    """
    out = Path(path).with_name("any.pcap")
    with out.open("wb") as file, Path(path).open("rb") as source:
        writer = dpkt.pcap.Writer(file, linktype=276, nano=True)
        for time, frame in dpkt.pcapng.Reader(source):
            ip = frame[14:]
            mine = socket.inet_ntoa(ip[12:16]) in ("3.35.166.21", "172.31.42.119")
            writer.writepkt(
                b"\x08\0" + bytes(8) + bytes([4 if mine else 0]) + bytes(9) + ip, ts=time
            )
    return str(out)


@pytest.mark.parametrize(
    "stated", [(), ("3.35.166.21",)], ids=["no address stated", "one of two addresses stated"]
)
def test_the_any_interface_says_what_the_balancer_sent(
    tmp_path: Path, stated: tuple[str, ...]
) -> None:
    parts = split(inspect([on_any_interface(merged(tmp_path, "alb-like"))]), stated)
    assert parts is not None
    front, back = parts
    assert [len(front.connections), len(front.exchanges)] == [4, 4]
    assert {c.server.address for c in front.connections} == {"3.35.166.21"}
    assert {c.client.address for c in back.connections} == {"172.31.42.119"}
    assert len(back.exchanges) == 7


def test_a_balancer_that_opened_no_connection_has_nothing_behind_it(tmp_path: Path) -> None:
    """It answered everybody. A capture that does not say what was sent may be of one side."""
    whole = inspect([on_any_interface(merged(tmp_path, "alb-like"))])
    both = split(whole)
    assert both is not None
    in_front = both[0]
    parts = split(in_front)
    assert parts is not None
    assert [len(side.connections) for side in parts] == [len(in_front.connections), 0]
    assert [side.side for side in parts] == [Side.CLIENT, Side.BACKEND]
    assert split(replace(in_front, packet_directions=b"")) is None
    assert split(both[1]) is None


def test_what_the_balancer_says_to_itself_is_in_front_only_where_clients_go(tmp_path: Path) -> None:
    trace = inspect([on_any_interface(merged(tmp_path, "alb-like"))])
    one, *others = trace.connections
    for port, in_front in ((80, True), (9000, False)):
        itself = one._replace(
            client=Endpoint("127.0.0.1", 4711), server=Endpoint("127.0.0.1", port)
        )
        parts = split(replace(trace, connections=[itself, *others]))
        assert parts is not None
        assert ("127.0.0.1" in {c.server.address for c in parts[0].connections}) is in_front


@pytest.mark.parametrize("backend_too", [True, False])
def test_what_one_proxy_asks_the_next_on_the_same_host_is_on_neither_side(
    tmp_path: Path, backend_too: bool
) -> None:
    """Without anything behind it, the second is a backend."""
    trace = inspect([on_any_interface(merged(tmp_path, "alb-like"))])
    whole = split(trace)
    assert whole is not None
    behind = {(c.client, c.server): c for c in whole[1].connections}
    asked = [e for e in trace.exchanges if ends(trace, e) in behind]
    local = trace.connections[asked[0].connection]._replace(
        id=len(trace.connections),
        client=Endpoint("127.0.0.1", 4711),
        server=Endpoint("127.0.0.1", 81),
    )
    between = [
        e._replace(id=len(trace.exchanges) + n, connection=local.id) for n, e in enumerate(asked)
    ]
    kept = [c for c in trace.connections if backend_too or (c.client, c.server) not in behind]
    parts = split(
        part_of(
            replace(
                trace,
                connections=[*trace.connections, local],
                applications=[*trace.applications, trace.applications[asked[0].connection]],
                exchanges=[*trace.exchanges, *between],
            ),
            {c.id for c in kept} | {local.id},
            trace.side,
        )
    )
    assert parts is not None
    assert [len(part.exchanges) for part in parts] == [4, 7]
    assert ("127.0.0.1" in {c.server.address for c in parts[1].connections}) is not backend_too
    said = {d.slug for part in parts for d in part.diagnostics}
    assert ("middle-leg" in said) is backend_too


def ends(trace: Trace, e: Exchange) -> tuple[Endpoint, Endpoint]:
    c = trace.connections[e.connection]
    return c.client, c.server


def on_localhost(path: str) -> Trace:
    """A capture of which all ends are on one host: only ports tell the two sides apart."""
    trace = inspect([path])
    return replace(
        trace,
        connections=[
            c._replace(
                client=c.client._replace(address="127.0.0.1"),
                server=c.server._replace(address="127.0.0.1"),
            )
            for c in trace.connections
        ],
    )


def test_two_services_on_one_host_are_told_apart_by_the_port_that_is_stated(tmp_path: Path) -> None:
    trace = on_localhost(merged(tmp_path, "alb-like"))
    for ports, count in (((80,), 4), ((8080,), 4), ((80, 8080), None), ((9,), None)):
        parts = split(trace, (), ports)
        assert (parts and len(parts[0].connections)) == count
    assert split(trace, ("192.0.2.1",), (80,)) is None


def test_two_services_on_one_host_are_told_apart_by_what_is_inside_what(tmp_path: Path) -> None:
    parts = split(on_localhost(merged(tmp_path, "nginx")))
    assert parts is not None
    assert {c.server.port for c in parts[0].connections} == {80}
    assert {c.server.port for c in parts[1].connections} == {8080}


def test_equal_sequence_numbers_need_no_address_though_a_backend_asks_others(
    tmp_path: Path,
) -> None:
    trace = inspect([merged(tmp_path, "nlb-like")])
    whole = split(trace)
    assert whole is not None
    onward = trace.connections[0]._replace(
        id=len(trace.connections),
        client=Endpoint(whole[1].connections[0].server.address, 40000),
        server=Endpoint("10.9.9.9", 5432),
        from_client=trace.connections[0].from_client._replace(isn=7),
    )
    connections = [*trace.connections, onward]
    applications = [*trace.applications, trace.applications[0]]
    parts = split(replace(trace, connections=connections, applications=applications))
    assert parts is not None
    assert [c.client for c in parts[0].connections] == [c.client for c in whole[0].connections]


@pytest.mark.parametrize("scans", [0, 1, 100])
def test_connections_that_carried_nothing_tell_no_side_where_others_carried_something(
    tmp_path: Path, scans: int
) -> None:
    """A scan of the balancer's own public address, which a NAT in front of it turns back: each
    connection is there twice with the same sequence numbers, and carried nothing.
    """
    trace = inspect([merged(tmp_path, "alb-like")])
    whole = split(trace)
    assert whole is not None
    inside = Endpoint(whole[0].connections[0].server.address, 50000)
    public = Endpoint("203.0.113.195", 10190)
    there = list(trace.connections)
    for n in range(scans):
        for client, server in ((inside, public), (public, inside)):
            old = there[0]
            there.append(
                old._replace(
                    id=len(there),
                    client=client._replace(port=50000 + n),
                    server=server,
                    from_client=old.from_client._replace(isn=7000 + n, bytes=0),
                    from_server=old.from_server._replace(isn=9000 + n, bytes=0),
                )
            )
    added = [trace.applications[0]] * (2 * scans)
    parts = split(replace(trace, connections=there, applications=[*trace.applications, *added]))
    assert parts is not None
    for part, alone in zip(parts, whole, strict=True):
        assert {ends(part, e) for e in part.exchanges} == {ends(alone, e) for e in alone.exchanges}


def test_packets_of_one_capture_are_counted_on_their_own_side(tmp_path: Path) -> None:
    report = compare_on_balancer([merged(tmp_path, "alb-like")])
    assert (report.client_counts.packets, report.backend_counts.packets) == (40, 60)


SPANS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 5)).map(lambda s: (s[0], s[0] + s[1])),
    min_size=1,
    max_size=8,
)


@given(SPANS, SPANS)
def test_what_is_inside_what(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """As a look at every two says; a span is inside itself."""
    holding = [any(a <= c and d <= b for c, d in others) for a, b in spans]
    held = [any(c <= a and b <= d for c, d in others) for a, b in spans]
    assert _holding(spans, others) == sum(holding) / len(spans)
    assert _held(spans, others) == sum(held) / len(spans)


@pytest.mark.parametrize("silent", ["client", "server", "both", ""])
def test_a_balancer_is_a_server_and_a_client_of_connections_that_carried_something(
    silent: str,
) -> None:
    recorded = SCENARIOS["founding-alb"]().run()
    (front, *_), back = recorded.clients[0].connections, recorded.backends[0].connections[0]
    back = back._replace(client=back.client._replace(address=front.server.address))
    if silent in ("client", "both"):
        back = back._replace(from_client=back.from_client._replace(bytes=0))
    if silent in ("server", "both"):
        back = back._replace(from_server=back.from_server._replace(bytes=0))
    found = _hubs([front, back])
    assert found == (set() if silent == "both" else {front.server.address})
