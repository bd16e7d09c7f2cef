"""`--max-memory`: sizes, and what is no size; a process that the system gives too little memory."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from lbtrace import cli
from lbtrace.__main__ import LEAST_BYTES as LEAST_TO_START
from lbtrace.cli import run
from lbtrace.cli.memory import parse_memory
from lbtrace.errors import OptionError
from lbtrace.in_parts import LEAST_BYTES
from tests.cli.captures import SAMPLES


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("2g", 2 * 10**9),
        (" 2 GB ", 2 * 10**9),
        ("500MiB", 500 << 20),
        ("1.5GiB", 3 << 29),
        ("0.25t", 250 * 10**9),
        ("300000KB", 3 * 10**8),
        (str(LEAST_BYTES), LEAST_BYTES),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text", ["", "2", "much", "-2GB", "2XB", "2Gi2", "2iB", "1e9", "249MB", "9" * 40, "2GB2"]
)
def test_what_is_no_size_is_one_line_and_exit_code_2(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OptionError) as raised:
        parse_memory(text)
    assert "\n" not in raised.value.message
    capture = str(SAMPLES / "nginx/client.pcap")
    assert run(["show", capture, f"--max-memory={text}"]) == 2
    said = capsys.readouterr().err
    assert f"--max-memory {text}" in said
    assert "Traceback" not in said


def in_space(size: int) -> subprocess.CompletedProcess[str]:
    """`show` of a sample, in a process that may have that many bytes of address space."""
    return subprocess.run(
        [sys.executable, "-m", "lbtrace", "show", str(SAMPLES / "nginx/client.pcap")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("size", [30_000_000, 90_000_000, LEAST_TO_START - 1])
def test_too_little_memory_to_start_is_one_line_and_exit_code_2(size: int) -> None:
    done = in_space(size)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"may have {size // 10**6} MB of memory" in done.stderr


@pytest.mark.parametrize("size", [LEAST_TO_START, 3 * LEAST_TO_START // 2, 2 * LEAST_TO_START])
def test_from_there_on_it_is_a_page_or_one_line(size: int) -> None:
    done = in_space(size)
    if done.returncode:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "not enough memory" in done.stderr


def caused(error: Exception) -> Exception:
    """An error that comes from another one."""
    try:
        raise ImportError("numpy could not be imported") from error
    except ImportError as found:
        return found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), 2),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2),
        (ImportError("_arpack.so: failed to map segment from shared object"), 2),
        (caused(MemoryError()), 2),
        (caused(ImportError("no module named x")), 70),
    ],
)
def test_memory_that_the_system_refuses_is_no_bug(
    error: Exception,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    run_it: Callable[..., None] = refused
    monkeypatch.setattr(cli.cli, "main", run_it)
    assert run(["show", "x.pcap"]) == code
    assert ("not enough memory" in capsys.readouterr().err) == (code == 2)
