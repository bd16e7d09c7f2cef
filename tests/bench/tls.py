"""`python -m tests.bench.tls`, a part of `python -m tests.bench`: what opening TLS costs, beside
reading the same bytes: CPU time per megabyte by cipher suite, per connection, and per line of a key
log.

Nothing here passes or fails: it is a measurement, for docs/performance.md.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lbtrace import tls
from lbtrace.options import quiet
from tests.bench.measure import MarkdownTable, seconds, thousands
from tests.http.streams import Talk, table
from tests.tls.conversations import get, ok, one_exchange, secrets_of, talk_of
from tests.tls.wire import CLIENT, SERVER, Tls, made_up

MEGABYTES = 20
CONNECTIONS = 1000
LINES = 200_000
SEGMENT = 1448
KINDS = ((0x1301, "1.3"), (0x1303, "1.3"), (0xC02F, "1.2"), (0xC013, "1.2"))


def cpu_s(work: Callable[[], object]) -> float:
    """The processor time of the second run: the first one imports."""
    work()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def per_megabyte(suite: int, version: str) -> float:
    """Seconds for one connection with MEGABYTES of bodies, by the megabyte."""
    conversation = Tls(suite, version).handshake()
    for n in range(MEGABYTES):
        conversation.say(CLIENT, get(b"%d" % n)).say(SERVER, ok(bytes(1_000_000)))
    talk = Talk()
    for who, record in conversation.sent:
        for at in range(0, len(record), SEGMENT):
            talk.say(who, record[at : at + SEGMENT])
    streams, secrets = table([talk]), secrets_of(conversation)
    return cpu_s(lambda: tls.opened(streams, secrets, quiet)) / MEGABYTES


def per_connection(suite: int, version: str) -> float:
    """Seconds for a connection with one small exchange."""
    every = [one_exchange(Tls(suite, version, str(n))) for n in range(CONNECTIONS)]
    streams, secrets = table(list(map(talk_of, every))), secrets_of(*every)
    return cpu_s(lambda: tls.opened(streams, secrets, quiet)) / CONNECTIONS


def of_key_log() -> tuple[float, float]:
    """Seconds to read a key log of LINES lines, and to read its lines twice and do nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys"
        line = "CLIENT_RANDOM {} {}\n"
        path.write_text(
            "".join(line.format(made_up(n).hex(), made_up(-n, size=48).hex()) for n in range(LINES))
        )
        return cpu_s(lambda: tls.read([str(path)])), 2 * cpu_s(
            lambda: path.read_bytes().splitlines()
        )


def tables() -> None:
    """Measure, and print the tables."""
    opened = MarkdownTable("Measured: TLS", ("cipher suite", "MB/s", "each connection"))
    for suite, version in KINDS:
        figures = {
            "MB/s": f"{1 / per_megabyte(suite, version):.0f}",
            "each connection": f"{per_connection(suite, version) * 1e3:.2f} ms",
        }
        opened.row(f"TLS {version}, {tls_name(suite)}", figures)
    log, twice = of_key_log()
    read = MarkdownTable("Measured: key logs", ("key log", "read", "its lines read twice"))
    figures = {"read": seconds(log), "its lines read twice": seconds(twice)}
    read.row(f"{thousands(LINES)} lines", figures)


def tls_name(suite: int) -> str:
    """As IANA names it."""
    from lbtrace.tls.suites import SUITES

    return SUITES[suite].name


if __name__ == "__main__":
    tables()
