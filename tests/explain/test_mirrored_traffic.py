"""A copy is told from another client's request by all that its backend is asked, never by one
exchange.
"""

from dataclasses import replace

from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange
from lbtrace.model.pairing import AttemptOutcome, Confidence, Correlation, UnpairedReason
from lbtrace.options import DEFAULT
from tests.findings.stage import tell, values
from tests.play import EPOCH_NS, MS, Balancer, Clockwork, Play, Shown
from tests.play.scenarios import SCENARIOS
from tests.play.scenarios.base import TWO

STEPPING = Clockwork(0, 0, EPOCH_NS + 3_000 * MS, 50_000 * MS)


def seen(play: Play) -> tuple[Shown, Correlation]:
    shown = play.perform()
    return shown, correlate(shown.clients, shown.backends, DEFAULT)


def copies(found: Correlation) -> set[tuple[int, int]]:
    return {u.ref for u in found.unpaired if u.reason is UnpairedReason.COPY}


def test_a_shadow_backend_gets_copies() -> None:
    shown, found = seen(SCENARIOS["mirrored"]())
    assert copies(found) == shown.copies
    assert {u.confidence for u in found.unpaired} == {Confidence.MEDIUM}
    assert {a.outcome for p in found.pairs for a in p.attempts} == {AttemptOutcome.ANSWERED}
    assert values(tell(SCENARIOS["mirrored"]()).one("retries.copies"))["count"] == 60


def test_a_client_that_was_not_captured_is_no_mirror() -> None:
    """It asks the same of another backend, but not at the same times."""
    play = Play(seed=3, balancer=Balancer(wander=False), backends=TWO, uncaptured_clients=1)
    mine, other = play.client("192.168.0.5"), play.client("192.168.0.6")
    for i in range(20):
        mine.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"mine %d" % i, connection="k")
        other.asks("GET", f"/item/{i}", at_ms=100 * i + 50, answer=b"other", connection="k")
    assert not copies(seen(play)[1])


def test_two_clients_that_ask_the_same_at_once_are_no_mirror() -> None:
    """The balancer states who asked."""
    play = Play(
        seed=3,
        balancer=Balancer(wander=False, add=[("X-Forwarded-For", "{client}")]),
        backends=TWO,
        uncaptured_clients=1,
    )
    mine, other = play.client("192.168.0.5"), play.client("192.168.0.6")
    for i in range(20):
        mine.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"mine %d" % i, connection="k")
        other.asks("GET", f"/item/{i}", at_ms=100 * i, answer=b"other", connection="k")
    assert not copies(seen(play)[1])


def two_legs() -> Play:
    """A balancer with an address on each backend network, and nothing that states who asked; every
    request with an id of its own.
    """
    play = SCENARIOS["mirrored"]()
    play.balancer.add, play.balancer.legs = [], {2: "172.31.99.1"}
    return play


def test_copies_may_come_from_another_address_of_the_balancer() -> None:
    shown, found = seen(two_legs())
    assert copies(found) == shown.copies


def test_another_source_address_is_no_other_client() -> None:
    """The balancer speaks to one backend from another address: nothing says that this is a
    client.
    """
    play = two_legs()
    play.client_clock = STEPPING  # so that nothing can be called a copy
    _, found = seen(play)
    strangers = [u for u in found.unpaired if u.reason is UnpairedReason.OTHER_CLIENT]
    assert strangers
    assert {u.confidence for u in strangers} == {Confidence.LOW}


def test_without_a_clock_nothing_is_a_copy() -> None:
    play = SCENARIOS["mirrored"]()
    play.client_clock = STEPPING
    assert not copies(seen(play)[1])


def test_a_copy_that_is_sent_after_the_answer_bounds_no_clock() -> None:
    """The balancer answers the client first and then sends the copy on: it began later than any try
    could.
    """
    play = Play(seed=5, balancer=Balancer(mirror="same"), backends=TWO, separate_points=True)
    client = play.client("192.168.0.5")
    for i in range(12):
        client.asks(
            "POST", f"/{i}", body=b'{"order": "%08d"}' % (i * 7919), at_ms=150 * i, answer=b"stored"
        )
    shown = play.perform()
    main, mirror = shown.backends
    later = 60_000_000

    def moved(e: Exchange) -> Exchange:
        assert e.request is not None
        assert e.response is not None
        q, r = (
            m._replace(
                first_ns=m.first_ns + later, head_ns=m.head_ns + later, last_ns=m.last_ns + later
            )
            for m in (e.request, e.response)
        )
        return e._replace(request=q, response=r)

    copies = {b.id for b in shown.copies if b.point == 1}
    assert copies
    late = replace(
        mirror,
        exchanges=[moved(e) if e.id in copies else e for e in mirror.exchanges],
    )
    for known in correlate(shown.clients, [main, late], DEFAULT).clocks:
        assert (
            known.refused
            or known.low_ns
            <= shown.clocks[known.client_point, known.backend_point][0]
            <= known.high_ns
        )
