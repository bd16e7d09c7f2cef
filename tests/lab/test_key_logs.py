"""The key logs of an experiment."""

from __future__ import annotations

import stat
from pathlib import Path

from lbtrace.lab import key_logs

RANDOM, SECRET = "ab" * 32, "cd" * 32
LINES = (
    f"CLIENT_TRAFFIC_SECRET_0 {RANDOM} {SECRET}",
    f"SERVER_TRAFFIC_SECRET_0 {RANDOM} {SECRET}",
)


def test_it_is_made_before_anybody_writes_for_its_owner_alone(tmp_path: Path) -> None:
    path = key_logs.made(tmp_path, key_logs.OF_CLIENT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b""


def test_each_backend_has_one_named_after_its_capture() -> None:
    assert [key_logs.of_backend(number) for number in (0, 1)] == ["backend.keys", "backend2.keys"]


def test_secrets_are_taken_out_of_a_log_and_each_is_kept_once(tmp_path: Path) -> None:
    """HAProxy writes them behind each request of a connection; without TLS they are "-"."""
    log, keys = tmp_path / "log", key_logs.made(tmp_path, key_logs.OF_BALANCER)
    request = '{"target":"/a"}'
    empty = "CLIENT_TRAFFIC_SECRET_0 - -"
    log.write_text("\n".join((request, *LINES, request, *LINES, empty)) + "\n")
    key_logs.take_out(log, keys)
    assert keys.read_text().splitlines() == list(LINES)
    assert log.read_text().splitlines() == [request, request, empty]


def test_one_to_which_nobody_wrote_is_removed(tmp_path: Path) -> None:
    used = key_logs.made(tmp_path, key_logs.OF_CLIENT)
    used.write_text(LINES[0])
    key_logs.made(tmp_path, key_logs.OF_BALANCER)
    key_logs.finish(tmp_path)
    assert key_logs.every(tmp_path) == (str(used),)
    first = tmp_path / "keys.log"  # what it was called before there were others
    assert first.read_bytes() == used.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
