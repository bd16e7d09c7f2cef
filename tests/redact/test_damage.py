"""Damaged captures: nothing raises, every packet is still there, and what is left of a credential
in its field is masked.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lbtrace.capture import read
from lbtrace.options import quiet
from lbtrace.redact import redact
from tests.redact.test_redact import BASIC, TOKEN, a_play, h2_play
from tests.simulator.script import Packet, Script

PLAYS = (a_play, lambda: h2_play(True), lambda: h2_play(False))


def damaged(chance: random.Random) -> Script:
    """A play of which packets are missing, doubled, cut, changed or out of order."""
    script = chance.choice(PLAYS)()
    for packets in (script.client, script.backend):
        for _ in range(chance.randint(1, 6)):
            at, to = chance.randrange(len(packets)), chance.randrange(len(packets))
            packet = packets[at]
            match chance.choice(("lost", "doubled", "cut", "changed", "swapped", "late")):
                case "lost":
                    del packets[at]
                case "doubled":
                    packets.insert(to, Packet(packet.time_ns, packet.data))
                case "cut":
                    packet.data = packet.data[: chance.randrange(1, len(packet.data))]
                case "changed":
                    data = bytearray(packet.data)
                    data[chance.randrange(min(60, len(data)))] = chance.randrange(256)
                    packet.data = bytes(data)
                case "swapped":
                    packets[at], packets[to] = packets[to], packets[at]
                case "late":
                    packets[:] = packets[at // 2 :]
    return script


@pytest.mark.parametrize("seed", range(40))
def test_nothing_raises_and_no_packet_is_lost(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    given = damaged(chance).write(tmp_path, chance.choice((65535, 150)))
    (tmp_path / "out").mkdir()
    done = redact(
        [[str(path)] for path in given],
        str(tmp_path / "out"),
        b"k" * 32,
        bodies=chance.random() < 0.5,
        addresses=chance.random() < 0.5,
    )
    for before, after in done.files:
        counts = [read([path], quiet).files[0].frames for path in (before, after)]
        assert counts[0] == counts[1]
        data = Path(after).read_bytes()
        assert len(data) == len(Path(before).read_bytes())
        assert BASIC not in data
        assert TOKEN not in data
