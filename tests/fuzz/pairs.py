"""A recorded pair with damage → what must hold whatever the damage is.

no exception; what is read is counted; every exchange is in one pair, or told without a partner;
the same bytes again, and under another hash seed; nothing above low confidence that the truth
contradicts, or the clocks that the user stated; no sentence that the packets contradict
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from lbtrace.errors import InputError
from lbtrace.model.http import Mark, Request, Response
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Confidence, ExchangePair, Ref, Tier
from lbtrace.model.report import Report
from lbtrace.options import Options
from lbtrace.pipeline import compare
from tests.fuzz.harm import UNTRUE, Harmed, harmed
from tests.fuzz.recordings import Point, Recorded
from tests.fuzz.twin import Paths, digest_of, page, twin, written
from tests.sentences import laws as sentences
from tests.sentences.claims import Json, contradictions
from tests.sentences.laws import Told

SLACK_NS = 5_000_000  # packets are stamped late
# what the packets themselves prove, whatever a user states of the clocks
PROVEN = (Tier.SAME_PACKETS, Tier.STATED_ADDRESS)
# of several clients only those are left whose addresses nothing changed: no packet tells
UNTOLD = ("l4-passthrough", "direct")
OF_THE_OTHERS = re.compile(r"verdict|.*: source-address\.preserved,")
FAR_NS = 1 << 62
NO_TIME = {Mark.RETRANSMITTED, Mark.RESYNCED, Mark.PAIRED_BY_ORDER}


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    kept = tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def pairs(data: bytes) -> None:
    """The target."""
    case = harmed(data)
    whole(case.recorded)
    paths = on_disk(case.files())
    clients, backends = ([[path] for path in paths[side]] for side in Side)
    twin().ask(clients, backends, case.stated_ns)
    try:
        said, complaints = _judged(case, clients, backends)
    finally:
        other = twin().answer()
    if other != json.dumps(said):
        complaints.append(f"another process writes something else: {said}, {other}")
    assert not complaints, "\n".join([str(case), *complaints])


def _judged(case: Harmed, clients: Paths, backends: Paths) -> tuple[str, list[str]]:
    """What a comparison writes, in short, and what is wrong with it."""
    try:
        report = compare(clients, backends, Options(clock_offset_ns=case.stated_ns))
    except InputError as error:
        return str(error), []
    text = written(report)
    json.loads(text)
    return digest_of(text, page(report)), [said for law in LAWS for said in law(case, report)]


def on_disk(files: Mapping[Point, bytes]) -> dict[Side, list[str]]:
    """Captures as files, of which the next ones take the place: the paths of each side."""
    paths: dict[Side, list[str]] = {side: [] for side in Side}
    for (side, point), data in files.items():
        path = _folder() / f"{side}{point}.pcap"
        path.write_bytes(data)
        paths[side].append(str(path))
    return paths


def what_is_read_is_counted(case: Harmed, report: Report) -> Iterator[str]:
    """Every packet of a file is decoded, or skipped for a reason."""
    for trace in (*report.clients, *report.backends):
        counts = trace.packets
        if counts.read != counts.decoded + sum(number for _, number in counts.skipped):
            yield f"{trace.side} {trace.point}: {counts}"
        if counts.read != sum(f.frames for f in trace.files):
            yield f"{trace.side} {trace.point}: {counts.read} of {trace.files}"
        carried = sum(c.from_client.packets + c.from_server.packets for c in trace.connections)
        if carried > counts.decoded:
            yield f"{trace.side} {trace.point}: {carried} packets of connections, {counts.decoded}"


def every_exchange_has_one_place(case: Harmed, report: Report) -> Iterator[str]:
    """It is in one pair, or is told without a partner."""
    found = report.correlation
    for side, traces in ((Side.CLIENT, report.clients), (Side.BACKEND, report.backends)):
        told = Counter(u.ref for u in found.unpaired if u.side == side)
        if side is Side.CLIENT:
            told.update(p.client for p in found.pairs)
        else:
            told.update(a.backend for p in found.pairs for a in p.attempts)
        there = {Ref(trace.point, e.id) for trace in traces for e in trace.exchanges}
        if set(told) != there or len(told) != told.total():
            twice = [ref for ref, number in told.items() if number > 1]
            yield f"{side}: {sorted(there ^ set(told))} have no place, {twice} have several"


def the_counts_add_up(case: Harmed, report: Report) -> Iterator[str]:
    """The counts of a side are those of its captures; what several captures show is counted once,
    and so is what a packet with a false address continues.
    """
    for counts, traces in (
        (report.client_counts, report.clients),
        (report.backend_counts, report.backends),
    ):
        asked = sum(e.request is not None for trace in traces for e in trace.exchanges)
        connections = sum(len(trace.connections) for trace in traces)
        left = (
            asked - counts.requests - counts.check_requests,
            connections - counts.connections - counts.check_connections,
        )
        whole = case.true and len(traces) == 1
        if min(left) < 0 or (whole and any(left)):
            yield f"{asked} requests, {connections} connections: {counts}"
        spread = counts.requests_per_connection
        if sum(n * times for n, times in spread) != counts.requests:
            yield f"{counts.requests} requests: {spread}"
        if sum(times for _, times in spread) != counts.http_connections:
            yield f"{counts.http_connections} connections with requests: {spread}"


def no_pair_contradicts_the_truth(case: Harmed, report: Report) -> Iterator[str]:
    """A pair that stands alone holds what was caused, and a set of pairs nothing else; as long as
    what the user states is true, and what was captured is what was sent.
    """
    if not case.true:
        return
    sets: dict[int | Ref, list[ExchangePair]] = defaultdict(list)
    for pair in report.correlation.pairs:
        sets[pair.client if pair.group is None else pair.group].append(pair)
    for held in sets.values():
        if all(pair.confidence is not Confidence.LOW for pair in held):
            yield from _untrue(case, report, held)


def _untrue(case: Harmed, report: Report, held: list[ExchangePair]) -> Iterator[str]:
    fronts = [_original(case, report, Side.CLIENT, pair.client) for pair in held]
    if not all(front and front <= case.recorded.truth.keys() for front in fronts):
        return
    caused = {b for front in fronts for c in front for b in case.recorded.truth[c]}
    for pair in held:
        for attempt in pair.attempts:
            behind = _original(case, report, Side.BACKEND, attempt.backend)
            if behind and not behind & (caused | case.recorded.unlogged):
                yield (
                    f"{pair.client} ({fronts}) and {attempt.backend} ({behind}), {pair.tier.name}, "
                    f"{pair.confidence}, {pair.reasons}: the truth is {sorted(caused)}"
                )


def _original(case: Harmed, report: Report, side: Side, ref: Ref) -> set[Ref]:
    """The exchanges of the whole captures that an exchange may be."""
    exchange = report.trace(side, ref.point).exchanges[ref.id]
    message = exchange.request or exchange.response
    assert message is not None
    given = _as_given(report, side), ref.point
    number = case.records[given][message.first_frame - 1].number
    return {Ref(ref.point, n) for n in case.recorded.begins[given].get(number, ())}


def _as_given(report: Report, side: Side) -> Side:
    """The side that a capture was given for: swapped ones are told the right way round."""
    if not report.correlation.swapped:
        return side
    return Side.BACKEND if side is Side.CLIENT else Side.CLIENT


def no_pair_contradicts_the_stated_clock(case: Harmed, report: Report) -> Iterator[str]:
    """Under the clocks that the user stated, what was caused lies inside what caused it."""
    if case.stated_ns is None or not case.one_clock:
        return
    stated_ns = -case.stated_ns if report.correlation.swapped else case.stated_ns
    for pair in report.correlation.pairs:
        if pair.confidence is Confidence.LOW or pair.tier in PROVEN:
            continue
        front = report.trace(Side.CLIENT, pair.client.point).exchanges[pair.client.id]
        for attempt in pair.attempts:
            there = attempt.backend
            behind = report.trace(Side.BACKEND, there.point).exchanges[there.id]
            late = _ns_before(front.request, behind.request) - stated_ns
            if attempt.outcome is AttemptOutcome.ANSWERED:
                late = max(late, stated_ns - _ns_before(front.response, behind.response, -FAR_NS))
            if late > SLACK_NS:
                yield f"{pair} is {late} ns outside under {stated_ns}"


def _ns_before(
    front: Request | Response | None, behind: Request | Response | None, unknown: int = FAR_NS
) -> int:
    """How much the clock in front would have to be ahead if both came at one moment."""
    if front is None or behind is None or {*front.marks, *behind.marks} & NO_TIME:
        return -unknown
    return front.first_ns - behind.first_ns


def no_sentence_contradicts_the_packets(case: Harmed, report: Report) -> Iterator[str]:
    """What is said of the damaged captures is so by the packets that they hold."""
    if not any(harm in UNTRUE for harm, _, _ in case.harms):
        about = Told(json.loads(written(report)))
        yield from (complaint for law in sentences.LAWS for complaint in law(about))


def no_sentence_is_turned_round(case: Harmed, report: Report) -> Iterator[str]:
    """What is said of the damaged captures is not the opposite of what the whole ones say."""
    if not case.true or report.correlation.swapped:
        return
    origin = {
        (str(side), point): [r.number for r in records]
        for (side, point), records in case.records.items()
    }
    told = json.loads(written(report))
    kinds = whole(case.recorded)["verdict"]["kind"], told["verdict"]["kind"]
    for complaint in contradictions(whole(case.recorded), told, origin):
        if not (kinds == UNTOLD and OF_THE_OTHERS.match(complaint)):
            yield complaint


@cache
def whole(recorded: Recorded) -> Json:
    """What is said of a recorded pair without damage."""
    paths = on_disk(recorded.files)
    clients, backends = ([[path] for path in paths[side]] for side in Side)
    told: Json = json.loads(written(compare(clients, backends)))
    return told


LAWS = (
    no_sentence_contradicts_the_packets,
    no_sentence_is_turned_round,
    what_is_read_is_counted,
    every_exchange_has_one_place,
    the_counts_add_up,
    no_pair_contradicts_the_truth,
    no_pair_contradicts_the_stated_clock,
)
