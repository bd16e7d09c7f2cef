"""What packets say of connections: held against a reader of one connection at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from lbtrace.comparison import Comparison
from lbtrace.model.net import Endpoint, Side, SynFingerprint
from lbtrace.model.pairing import ConnectionBasis
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.verdict.witnesses.packets import addresses, direct_return, isn, syn_options
from tests.laws import examples
from tests.simulator import Balancer
from tests.verdict.recorded import compared, comparisons, frames, simulation, told, used


@examples(60)
@given(comparisons())
def test_initial_sequence_numbers(comparison: Comparison) -> None:
    pairs = comparison.correlation.connection_pairs
    same = [p for p in pairs if p.basis is ConnectionBasis.SAME_PACKETS and p.confidence.rank > 0]
    found = list(isn(comparison))
    fronts = [c for c in used(comparison, Side.CLIENT) if c.from_client.isn is not None]
    backs = [c for c in used(comparison, Side.BACKEND) if c.from_client.isn is not None]
    ours = {c.from_client.isn for c in fronts}
    theirs = {c.from_client.isn for c in backs}
    if same:
        assert told(iter(found)) == {
            ("isn", "same"): {"count": len(same), "of": len(comparison.connection_pairs)}
        }
    elif ours and theirs and not ours & theirs:
        [(key, values)] = told(iter(found)).items()
        assert key == ("isn", "different")
        assert (values["fronts"], values["backs"]) == (len(ours), len(theirs))
        for name, side, known in (
            ("front", Side.CLIENT, fronts),
            ("back", Side.BACKEND, backs),
        ):
            shown = [c for c in known if str(c.from_client.isn) == values[name]]
            assert frames(found[0], side) <= {c.syn_frame for c in shown}
            assert frames(found[0], side)
    elif ours and theirs:
        assert found == []
    else:
        assert {o.variant for o in found} <= {"different"}


def syn(c: Connection) -> tuple[object, ...] | None:
    s = c.from_client.syn
    return s and (s.options, s.window_scale, s.sack_permitted, s.timestamp)


def joined(comparison: Comparison) -> list[tuple[Connection, Connection]]:
    """The connections that belong together, each two once."""
    found = {
        (p.client_ref, p.backend_ref): (p.client, p.backend) for p in comparison.connection_pairs
    }
    for pair in comparison.distinct_pairs:
        both = (pair.client_connection, pair.backend_connection)
        refs = (
            pair.client_ref._replace(id=both[0].id),
            pair.backend_ref._replace(id=both[1].id),
        )
        found.setdefault(refs, both)
    return list(found.values())


@examples(60)
@given(comparisons())
def test_what_syns_offer(comparison: Comparison) -> None:
    both = [(syn(a), syn(b)) for a, b in joined(comparison)]
    known = [(a, b) for a, b in both if a is not None and b is not None]
    found = told(syn_options(comparison))
    if known and all(a == b for a, b in known) and any(a[3] is not None for a, _ in known):
        assert found == {("syn-options", "same"): {"count": len(known)}}
    elif known and all(a != b for a, b in known):
        assert found == {("syn-options", "different"): {"count": len(known)}}
    else:
        assert found == {}


@examples(60)
@given(comparisons())
def test_addresses(comparison: Comparison) -> None:
    both = joined(comparison)
    found = told(addresses(comparison))
    if not both:
        assert bool(found) == bool(len(comparison.pairs))
        return
    moved = [(a, b) for a, b in both if (a.client, a.server) != (b.client, b.server)]
    if not moved:
        assert found == {("addresses", "same"): {"count": len(both)}}
        return
    a, b = moved[0]
    assert found == {
        ("addresses", "rewritten"): {
            "front_client": str(a.client),
            "front_server": str(a.server),
            "back_client": str(b.client),
            "back_server": str(b.server),
            "count": len(moved),
            "of": len(both),
        }
    }


def hops(trace: Trace, client_ttl: int | None, server_ttl: int | None) -> Trace:
    """The same, with these TTLs in the SYNs and SYN-ACKs; without one it was not captured."""

    def with_ttl(s: SynFingerprint | None, ttl: int | None) -> SynFingerprint | None:
        return s._replace(ttl=ttl) if s and ttl is not None else None

    made = [
        c._replace(
            from_client=c.from_client._replace(syn=with_ttl(c.from_client.syn, client_ttl)),
            from_server=c.from_server._replace(syn=with_ttl(c.from_server.syn, server_ttl)),
        )
        for c in trace.connections
    ]
    return replace(trace, connections=made)


@pytest.mark.parametrize(
    ("front", "behind", "variant"),
    [
        # TTLs of SYN and SYN-ACK in front, then behind: hops there and back
        ((64, 64), (63, 64), "detour"),
        ((64, 62), (60, 64), "asymmetric"),
        ((64, 63), (64, 64), "asymmetric"),
        ((64, 63), (63, 64), ""),
        ((64, 64), (64, 64), ""),
        ((64, 64), (65, 64), ""),  # hops cannot be fewer than none
        ((64, 65), (63, 64), ""),
        ((64, None), (63, 64), ""),
        ((64, 64), (None, 64), ""),
    ],
)
def test_hops_there_and_back(
    front: tuple[int, int | None], behind: tuple[int | None, int], variant: str
) -> None:
    recorded = simulation(Balancer(kind="dsr")).run()
    recorded.clients[:] = [hops(t, *front) for t in recorded.clients]
    recorded.backends[:] = [hops(t, *behind) for t in recorded.backends]
    found = told(direct_return(compared(recorded)))
    if not variant:
        assert found == {}
        return
    assert front[1] is not None
    assert behind[0] is not None
    there, back = front[0] - behind[0], behind[1] - front[1]
    assert found == {("direct-return", variant): {"there": there, "back": back}}


@pytest.mark.parametrize(("backends", "said"), [(1, False), (2, True), (3, True)])
def test_backends_that_answer_for_one_address(backends: int, said: bool) -> None:
    made = simulation(Balancer(kind="dsr", wander=False), count=8)
    made.backends = tuple(Endpoint(f"172.31.11.{95 + n}", 80) for n in range(backends))
    made.separate_points = True
    found = told(direct_return(compared(made.run())))
    assert (found == {("direct-return", "several-backends"): {"count": backends}}) == said


def test_nothing_is_said_of_connections_that_were_not_passed_on() -> None:
    recorded = simulation(Balancer()).run()
    recorded.backends[:] = [hops(t, 60, 64) for t in recorded.backends]
    assert told(direct_return(compared(recorded))) == {}


def test_the_hops_of_the_first_connection_are_named() -> None:
    recorded = simulation(Balancer(kind="dsr")).run()
    recorded.backends[:] = [hops(t, 63, 64) for t in recorded.backends]
    (front,), (back,) = recorded.clients, recorded.backends
    first, *rest = hops(back, 61, 66).connections
    assert rest
    recorded.backends[:] = [replace(back, connections=[first, *list(back.connections)[1:]])]
    recorded.clients[:] = [hops(front, 64, 64)]
    assert told(direct_return(compared(recorded))) == {
        ("direct-return", "asymmetric"): {"there": 3, "back": 2}
    }


def test_only_the_clients_syns_are_compared() -> None:
    """SYN-ACKs come from the backend, whoever opened the connection."""
    comparison = compared(simulation(Balancer(kind="direct")).run())
    (back,) = comparison.backends

    def with_scale(server: bool) -> Comparison:
        made = []
        for c in back.connections:
            end = c.from_server if server else c.from_client
            changed = end._replace(syn=end.syn and end.syn._replace(window_scale=3))
            made.append(
                c._replace(from_server=changed) if server else c._replace(from_client=changed)
            )
        return Comparison(
            comparison.clients, [replace(back, connections=made)], comparison.correlation
        )

    assert set(told(syn_options(with_scale(server=True)))) == {("syn-options", "same")}
    assert set(told(syn_options(with_scale(server=False)))) == {("syn-options", "different")}


def test_who_answers_for_an_address_of_its_own_is_not_counted() -> None:
    """Two of three backends answer for one address, the third for another."""
    made = simulation(Balancer(kind="dsr", wander=False), count=9)
    made.backends = tuple(Endpoint(f"172.31.11.{95 + n}", 80) for n in range(3))
    made.separate_points = True
    recorded = made.run()
    own = Endpoint("172.31.11.97", 80)
    third = {c.from_client.isn for c in recorded.backends[2].connections}
    for traces in (recorded.clients, recorded.backends):
        traces[:] = [
            replace(
                trace,
                connections=[
                    c._replace(server=own) if c.from_client.isn in third else c
                    for c in trace.connections
                ],
            )
            for trace in traces
        ]
    found = told(direct_return(compared(recorded)))
    assert found == {("direct-return", "several-backends"): {"count": 2}}
