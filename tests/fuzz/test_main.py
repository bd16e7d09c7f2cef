"""What a guided run says last: what it found, or what ended it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz

RAN = "print('#512 NEW cov: 3'); "


@pytest.mark.parametrize(
    ("script", "last", "status"),
    [
        (RAN, "reader: 512 executions, 0 findings", 0),
        (
            RAN + "print('==77== ERROR: libFuzzer: out-of-memory (used: 6001Mb; limit: 6000Mb)'); "
            "raise SystemExit(71)",
            "reader: 512 executions, 0 findings, ended by: libFuzzer: out-of-memory (used: 6001Mb; "
            "limit: 6000Mb)",
            71,
        ),
        (
            RAN + "import os, signal; sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)",
            "reader: 512 executions, 0 findings, ended by SIGKILL",
            9,
        ),
        (
            RAN + "raise SystemExit(3)",
            "reader: 512 executions, 0 findings, ended with exit code 3 and said nothing of an "
            "error",
            3,
        ),
        (
            RAN + "open(sys.argv[1] + '/crash-1', 'w').close(); raise SystemExit(77)",
            "reader: 512 executions, 1 findings",
            1,
        ),
    ],
)
def test_the_last_line_says_what_ended_a_run(
    script: str,
    last: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-c", "import sys; " + script, str(tmp_path)]
    monkeypatch.setattr(fuzz, "_command", lambda *_: command)
    assert fuzz._watched("reader", tmp_path, 1) == status
    assert capsys.readouterr().out.splitlines()[-1] == last
