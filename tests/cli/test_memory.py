"""`--max-memory`: sizes, and what is no size."""

from __future__ import annotations

import pytest

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
