"""Damage to one side of a recorded pair: every harm does what it says, and every law can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, ExchangePair, Ref
from lbtrace.model.report import Report
from lbtrace.pipeline import compare
from tests.fuzz import harm
from tests.fuzz.harm import HARM, HARMS, Harmed, harmed
from tests.fuzz.pairs import (
    LAWS,
    every_exchange_has_one_place,
    no_pair_contradicts_the_stated_clock,
    no_pair_contradicts_the_truth,
    no_sentence_is_turned_round,
    on_disk,
    pairs,
    the_counts_add_up,
    what_is_read_is_counted,
)
from tests.fuzz.recordings import pool
from tests.fuzz.twin import digest_of, page, twin, written
from tests.sentences.damage import Record

# programs that once made lbtrace say something false, each with what it was
FOUND = (
    "0700ef148954ffd61c02",  # an answer that was not captured, and a FIN behind it: "no answer"
    "1f0038278abc5241abcb68775a46600af0a0e15d20f198d85bf8",  # bytes before a lost SYN
    "2b035da4ab965baca7115936ab14d23468308c7ebb08ea7cad9b",  # the same in a file out of order
    "1d02aa5177230732a72f55ffd6dd5e8338ad",  # backend requests nobody explains, "nothing behind"
    "0d485454502f000a39de",  # a FIN that only an acknowledgement shows: "timeout"
    "050001050105773577c7",  # an answer without its request: "3 of 4 requests" where there are 3
    "2d0103010df505619752",  # two handshakes and a PROXY header, no request: "l4-proxy"
    "0505736861726564b0ff",  # the failed try of two alone: "got another status"
    "2e0202626f756e6473636f6c75c16e3c",  # begins with an answer; a law took the ends wrong
    "0565e6d8270329da8890",  # an answer and a FIN stamped the other way round: "timeout"
    "1931313530a47ada2e3530a47ada43",  # cut heads, paired by PROXY headers that "name another"
    "e4030713aa828913aa07",  # another offset that only unanswered pairs hold: an exception
    "effed3416c6cfcfb2420",  # changed targets that lost their partners: "kept, in 4 of 4 requests"
    # the clock is set back between the backend's FIN and the balancer's: "timeout"
    "8b00000000000000eaeaeaeaeaeaea0000000000000000012188240112",
    "d9fcf4fe312e3000f5c10ab4f7",  # a FIN overtakes the one that it acknowledges: "timeout"
    # the only connection left is one that nothing rewrites: "rewritten" is true of the others
    "33e90293fd03031f31d0d4d8020c010101a6cd900d",
    "2e0c01046620ce02a03c",  # the RST behind a FIN was lost: "closed", which is so, too
    "818181010081240009003a09",  # the tries that worked were lost: "another status, 200 for 503"
    # one request of a session with an early end, the others with losses: paired by the cookie
    "250101669b9bb1a029012d9b9bb1a029012d",
    # a SYN behind its answer and the first request: a law took it for another connection's
    "06011400000000400000000000000000000000",
)


@pytest.mark.parametrize("program", FOUND)
def test_what_was_found_once(program: str) -> None:
    pairs(bytes.fromhex(program))


@pytest.mark.parametrize("seed", range(30))
def test_any_damage(seed: int) -> None:
    """The run that ends: thirty programs, the same each time."""
    dice = Random(seed)
    head = bytes((dice.randrange(len(pool())), dice.randrange(4)))
    pairs(head + dice.randbytes(HARM.size * dice.randint(1, 3)))


def packets(count: int = 100) -> list[Record]:
    """Some packets, a millisecond apart."""
    return [Record(n + 1, 1_000_000 * n, 60, bytes(60)) for n in range(count)]


@pytest.mark.parametrize("what", HARMS, ids=lambda what: what.__name__)
def test_every_harm_takes_any_numbers(what: harm.Harm) -> None:
    dice = Random(2)
    for count in (1, 2, 100):
        for _ in range(200):
            given = packets(count)
            left = what(
                given, (dice.randrange(1 << 16), dice.randrange(1 << 16), dice.randrange(9))
            )
            assert given == packets(count)
            assert {r.number for r in left} <= {r.number for r in given}
            assert all(r.true for r in left) or what in harm.UNTRUE


def test_packets_that_were_dropped_are_gone() -> None:
    assert [r.number for r in harm.drop(packets(4), (1 << 15, 0, 0))] == [1, 2, 4]
    assert [r.number for r in harm.begin_late(packets(4), (1 << 15, 0, 0))] == [3, 4]
    assert [r.number for r in harm.end_early(packets(4), (1 << 15, 0, 0))] == [1, 2, 3]
    assert 40 < len(harm.thin(packets(), (7, 65535, 0))) < 60


def test_packets_that_were_doubled_come_again_later() -> None:
    left = harm.double(packets(3), (0, 0, 2))
    assert [(r.number, r.time_ns) for r in left[:4]] == [
        (1, 0),
        (2, 1_000_000),
        (1, 2_000),
        (3, 2_000_000),
    ]


def test_packets_out_of_order_have_their_own_times_and_overtaken_ones_do_not() -> None:
    mixed = harm.reorder(packets(3), (0, 1 << 15, 1))
    assert sorted(mixed, key=lambda r: r.number) == packets(3)
    first, second, _ = harm.overtake(packets(3), (0, 0, 0))
    assert (first.number, first.time_ns, second.number, second.time_ns) == (2, 0, 1, 1_000_000)


def test_a_clock_that_was_set_moves_what_comes_after() -> None:
    left = harm.step(packets(4), (1 << 15, 2, 1001))
    assert [r.time_ns for r in left] == [0, 1_000_000, 3_000_000, 4_000_000]


def test_one_bit_is_turned_round() -> None:
    left = harm.flip(packets(3), (1 << 15, 1 << 15, 0))
    assert [r.true for r in left] == [True, False, True]
    assert sum(byte.bit_count() for byte in left[1].data) == 1


def told(case: Harmed) -> Report:
    """The report on a pair."""
    clients, backends = (
        [[path] for path in on_disk(case.files())[side]] for side in (Side.CLIENT, Side.BACKEND)
    )
    return compare(clients, backends)


@pytest.fixture
def sound() -> tuple[Harmed, Report]:
    """A pair without damage, of which all is true: retries of four clients."""
    number = next(n for n, recorded in enumerate(pool()) if recorded.name == "minted-id")
    case = harmed(bytes((number, 2)))
    report = told(case)
    assert [complaint for law in LAWS for complaint in law(case, report)] == []
    return case, report


def with_pairs(report: Report, change: Callable[[ExchangePair], ExchangePair]) -> Report:
    """The report with other pairs."""
    found = replace(report.correlation, pairs=tuple(map(change, report.correlation.pairs)))
    return replace(report, correlation=found)


def test_a_pair_that_is_not_true_is_found(sound: tuple[Harmed, Report]) -> None:
    case, report = sound
    last = report.correlation.pairs[-1].attempts
    false = with_pairs(report, lambda p: p._replace(attempts=last))
    assert list(no_pair_contradicts_the_truth(case, false))
    unsure = with_pairs(false, lambda p: p._replace(confidence=Confidence.LOW))
    assert not list(no_pair_contradicts_the_truth(case, unsure))
    assert list(every_exchange_has_one_place(case, false))
    late = replace(case, recorded=replace(case.recorded, delta_ns=harm.HOUR_NS))
    assert list(no_pair_contradicts_the_stated_clock(late, report))


def test_a_set_that_holds_another_exchange_is_found(sound: tuple[Harmed, Report]) -> None:
    case, report = sound
    truth = dict(case.recorded.truth)
    first = min(truth)
    truth[first] = frozenset({Ref(0, 10_000)})
    one_set = with_pairs(report, lambda p: p._replace(group=1))
    assert not list(no_pair_contradicts_the_truth(case, one_set))
    other = replace(case, recorded=replace(case.recorded, truth=truth))
    assert list(no_pair_contradicts_the_truth(other, one_set))


def test_counts_that_do_not_add_up_are_found(sound: tuple[Harmed, Report]) -> None:
    case, report = sound
    counts = replace(report.client_counts, requests=report.client_counts.requests - 1)
    assert list(the_counts_add_up(case, replace(report, client_counts=counts)))
    (trace,) = report.clients
    packets = replace(trace.packets, read=trace.packets.read + 1)
    lost = replace(report, clients=(replace(trace, packets=packets),))
    assert list(what_is_read_is_counted(case, lost))


def test_a_sentence_that_was_turned_round_is_found(sound: tuple[Harmed, Report]) -> None:
    case, report = sound
    direct = next(n for n, recorded in enumerate(pool()) if recorded.name == "direct")
    other = told(harmed(bytes((direct, 0))))
    assert not list(no_sentence_is_turned_round(case, report))
    turned = replace(report, verdict=other.verdict)
    assert list(no_sentence_is_turned_round(case, turned))


def test_another_process_under_another_hash_seed_writes_the_same() -> None:
    case = harmed(bytes(2))
    paths = on_disk(case.files())
    report = told(case)
    clients, backends = ([[path] for path in paths[side]] for side in Side)
    twin().ask(clients, backends, None)
    assert twin().answer() == f'"{digest_of(written(report), page(report))}"'
    twin().ask([["/nowhere.pcap"]], [["/nowhere.pcap"]], None)
    assert "/nowhere.pcap" in twin().answer()
