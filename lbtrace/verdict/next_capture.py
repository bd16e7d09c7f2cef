"""A verdict that decides nothing → the capture that would decide it, as a command to type.

The first lack that applies names the command: a side that was not captured, a capture that holds
both sides and was given as one, packets that were cut, captures of different times, TLS handshakes
that fail, bytes that TLS hides. Where nothing is lacking but what belongs together is open, one
capture on the balancer decides it: it has one clock for both sides. If it was such a capture, a
better one may.
"""

from __future__ import annotations

from collections import Counter

from lbtrace.comparison import Comparison
from lbtrace.model.http import Protocol
from lbtrace.model.net import Side
from lbtrace.model.report import Kind
from lbtrace.verdict.nothing import all_own, at_one_time, taken_on_balancer
from lbtrace.verdict.unrelated import apart_in_time

UNDECIDED = (Kind.INCONCLUSIVE, Kind.AMBIGUOUS, Kind.UNRELATED)
PORTS = 3  # of a side, at most


def next_capture(comparison: Comparison, kind: Kind) -> str:
    """A sentence with a command; "" where the verdict decides."""
    if kind not in UNDECIDED:
        return ""
    for lack in (
        _other_side,
        _empty_side,
        _both_in_one,
        _own,
        _whole,
        _at_once,
        _failed,
        _plain,
    ):
        sentence = lack(comparison)
        if sentence:
            return sentence
    if comparison.one_capture:
        return _once_more(comparison)
    return (
        "Capture both sides on the balancer itself, with one clock: "
        f"{tcpdump('both.pcap', comparison)}; then run lbtrace compare --lb both.pcap."
    )


def _once_more(comparison: Comparison) -> str:
    """Of a capture that was taken on the balancer already: what would make the next one better."""
    command = tcpdump("both.pcap", comparison)
    if any(
        int(table.of_ends("lost", server).sum())
        for table in comparison.sides
        for server in (False, True)
    ):
        command = command.replace("-s 0", "-s 0 -B 65536")
        return f"Capture on the balancer once more, with a buffer that loses nothing: {command}."
    return f"Capture on the balancer once more, for longer: more requests tell more: {command}."


def tcpdump(file: str, comparison: Comparison, *sides: Side) -> str:
    """The command that captures these sides, both without: whole packets, none of them kept back,
    on the ports that were seen.
    """
    ports = [port for side in sides or tuple(Side) for port in _ports(comparison, side)]
    wanted = " or ".join(f"tcp port {port}" for port in dict.fromkeys(ports)) or "tcp"
    return f"tcpdump -i any --immediate-mode -U -s 0 -w {file} '{wanted}'"


def _ports(comparison: Comparison, side: Side) -> list[int]:
    """The ports that most connections of a side go to."""
    ports = Counter(comparison.table(side).of_connections("server_port").tolist())
    return [port for port, _ in ports.most_common(PORTS)]


def _other_side(comparison: Comparison) -> str:
    """One capture given twice."""
    if not comparison.same_captures:
        return ""
    return (
        "Capture the other side of the balancer at the same time: "
        f"{tcpdump('backend.pcap', comparison)}."
    )


def _both_in_one(comparison: Comparison) -> str:
    """A backend capture that was taken on the balancer: it decides alone."""
    if not taken_on_balancer(comparison):
        return ""
    return "Give the backend capture alone, it holds both sides: lbtrace compare --lb FILE."


def _empty_side(comparison: Comparison) -> str:
    """A side without a connection: its ports are not known, so none are named."""
    for side in Side:
        if not any(len(trace.connections) for trace in comparison.traces(side)):
            if comparison.one_capture:
                return (
                    "If there was a filter, capture on the balancer without one: "
                    "tcpdump -i any --immediate-mode -U -s 0 -w both.pcap tcp."
                )
            where = "from the clients" if side is Side.CLIENT else "to the backends"
            return (
                f"Capture where the traffic {where} passes: "
                f"tcpdump -i any --immediate-mode -U -s 0 -w {side}.pcap tcp."
            )
    return ""


def _own(comparison: Comparison) -> str:
    """Requests that the balancer answered itself, all of them."""
    if not all_own(comparison):
        return ""
    commands = " and ".join(tcpdump(f"{side}.pcap", comparison, side) for side in Side)
    return f"Capture a request that the balancer passes on, on both sides at once: {commands}."


def _whole(comparison: Comparison) -> str:
    """Packets that were cut."""
    cut = [
        side for side in Side if any(trace.packets.truncated for trace in comparison.traces(side))
    ]
    if not cut:
        return ""
    commands = " and ".join(tcpdump(f"{side}.pcap", comparison, side) for side in cut)
    return f"Capture whole packets (-s 0): {commands}."


def _at_once(comparison: Comparison) -> str:
    """Captures that did not run at the same time."""
    if not apart_in_time(comparison) and at_one_time(comparison):
        return ""
    commands = " and ".join(tcpdump(f"{side}.pcap", comparison, side) for side in Side)
    return f"Run both captures at the same time, started before the traffic: {commands}."


def _failed(comparison: Comparison) -> str:
    """A side whose TLS connections came to nothing, all of them: no capture of it shows a
    request.
    """
    for side in Side:
        spoken = [a for trace in comparison.traces(side) for a in trace.applications]
        tried = [a for a in spoken if a.protocol is Protocol.TLS]
        if tried and not any(a.hidden for a in tried) and not _asked(comparison, side):
            if all(a.fatal_alert for a in tried):
                return (
                    f"First mend the TLS handshakes on the {side} side, which all fail; no request "
                    "comes through before that."
                )
            return (
                f"First find out why the TLS connections on the {side} side end before anything is "
                "asked; no request comes through before that."
            )
    return ""


def _asked(comparison: Comparison, side: Side) -> bool:
    return bool(comparison.table(side).requests.there.any())


def _plain(comparison: Comparison) -> str:
    """Bytes that TLS hides on one side or both."""
    hidden = [
        side
        for side in Side
        if not _asked(comparison, side)
        and any(
            application.hidden
            for trace in comparison.traces(side)
            for application in trace.applications
        )
    ]
    if not hidden:
        return ""
    if any(table.requests.there.any() for table in comparison.sides):
        return (
            "TLS hides one side: capture both on the balancer itself, with one clock, so that "
            f"times tell what belongs together: {tcpdump('both.pcap', comparison)}; then run "
            "lbtrace compare --lb both.pcap."
        )
    return (
        "TLS hides the requests: give its secrets with --keylog, or capture where they are plain, "
        "behind the point where TLS ends: "
        "tcpdump -i any --immediate-mode -U -s 0 -w plain.pcap tcp."
    )
