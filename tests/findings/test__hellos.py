"""How long a ClientHello stood without an answer: damage makes it shorter, or unknown."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.findings._hellos import unanswered_for_ns
from lbtrace.inspection import inspect
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.tables.connections import NEVER
from tests.findings.tls.test_tls_alerts import SERVER_HELLO
from tests.http.test_detect import hello
from tests.sentences.damage import Damage, between, lose, pcap_of, records_of
from tests.simulator.script import WINDOW, Script

HELLO = hello("a.example", [])
MILLISECOND_NS = 1_000_000
AFTER = st.sampled_from(["answers", "closes", "gives up", "nothing"])
SPOKEN = st.tuples(st.sampled_from([200, 1200, 4000]), AFTER)
DAMAGES: dict[str, Damage] = {
    "some lost": lose(0.1),
    "many lost": lose(0.4),
    "begun late": between(0.2, 1),
    "ended early": between(0, 0.7),
}


def spoken(play: Script, waits_ms: int, then: str) -> int:
    """A handshake and what comes of it; how long nothing was said to the ClientHello, in ns."""
    connection = play.back(8443).asks(HELLO)
    began_ns = play.now()
    play.wait(waits_ms)
    silent_ns = play.now() - began_ns
    if then == "answers":
        connection.answers(SERVER_HELLO).leaves()
    elif then == "closes":
        connection.closes()
    elif then == "gives up":
        connection.gives_up()
    return silent_ns


def silences(play: Script, damage: Damage | None, seed: int) -> dict[int, int]:
    """By the port of the client: how long nothing was said to its ClientHello, as a capture of
    the backend side with some damage shows.
    """
    with TemporaryDirectory() as folder:
        _, path = play.write(Path(folder))
        if damage is not None:
            data = path.read_bytes()
            kept = damage(records_of(data), "backend", Random(seed))
            path.write_bytes(pcap_of(data, kept))
        comparison = Comparison((), (inspect([str(path)], Side.BACKEND),), Correlation())
    table = comparison.table(Side.BACKEND)
    waited = unanswered_for_ns(comparison, Side.BACKEND)
    ports = table.of_connections("client_port")
    return {int(ports[n]): int(waited[n]) for n in np.flatnonzero(waited != NEVER)}


@settings(deadline=None)
@given(
    plan=st.lists(SPOKEN, min_size=1, max_size=5),
    damage=st.sampled_from(list(DAMAGES)),
    seed=st.integers(0, 1 << 16),
)
def test_damage_never_makes_a_silence(plan: list[tuple[int, str]], damage: str, seed: int) -> None:
    play = Script()
    silent = {40001 + n: spoken(play, ms, then) for n, (ms, then) in enumerate(plan)}
    play.back(8080).asks(b"GET / HTTP/1.1\r\n\r\n", 60_000)  # the capture goes on
    for client, waited_ns in silences(play, DAMAGES[damage], seed).items():
        assert waited_ns <= silent[client] + MILLISECOND_NS


def test_a_silence_lasts_to_the_end_or_to_the_last_packet_of_the_connection() -> None:
    play = Script()
    closed, unknown, kept = 40001, 40002, 40003
    spoken(play, 2000, "closes")
    spoken(play, 2000, "nothing")  # an answer may have come that the capture lost
    waiting = play.back(8443).asks(HELLO)
    play.wait(3000)
    waiting.window(WINDOW)  # a packet that says that nothing came so far
    waited = silences(play, None, 0)
    assert {port: ns // 1_000_000_000 for port, ns in waited.items()} == {closed: 2, kept: 3}
    assert unknown not in waited
