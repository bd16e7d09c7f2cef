"""`lbtrace redact`: what it says, where it writes, and when it refuses."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lbtrace.cli import cli
from lbtrace.errors import LbtraceError
from tests.redact.test_redact import SECRETS, a_play, held


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    return [str(path) for path in a_play().write(tmp_path)]


# click 8.1 mixes both outputs unless it is told not to, click 8.2 cannot be told
APART: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
)


def run(*words: object) -> Result:
    return CliRunner(**APART).invoke(cli, ["redact", *map(str, words)])


def refused(*words: object) -> str:
    done = run(*words)
    assert done.exit_code == 2 or isinstance(done.exception, LbtraceError)
    assert done.stdout == ""
    return done.stderr or str(done.exception)


def test_it_says_what_it_did(given: list[str], tmp_path: Path) -> None:
    done = run(*given, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert f"{given[0]} → {tmp_path}/out/client.pcap" in done.stdout
    assert "Masked: 5 credentials." in done.stdout
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["backend.pcap", "client.pcap"]
    assert not any(secret in held(written) for secret in SECRETS)


def test_inputs_are_never_overwritten(given: list[str], tmp_path: Path) -> None:
    before = [Path(path).read_bytes() for path in given]
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for folder in (tmp_path, link):
        assert "could be overwritten" in refused(*given, "-o", folder)
    assert [Path(path).read_bytes() for path in given] == before


def test_folders_that_cannot_be(given: list[str], tmp_path: Path) -> None:
    assert "this is a file" in refused(*given, "-o", given[0])
    assert "there is no directory" in refused(*given, "-o", tmp_path / "a" / "b")
    assert "Missing option" in refused(*given)
    assert "no-such" in refused(tmp_path / "no-such", "-o", tmp_path / "out")


def test_keys(given: list[str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"short")
    assert "5 bytes are no key" in refused(*given, "-o", tmp_path / "out", "--key", key)
    assert "there is no such file" in refused(
        *given, "-o", tmp_path / "out", "--key", tmp_path / "none"
    )
    key.write_bytes(bytes(range(32)))
    contents = []
    for name in ("one", "two"):
        assert run(*given, "-o", tmp_path / name, "--key", key).exit_code == 0
        contents.append((tmp_path / name / "client.pcap").read_bytes())
    assert contents[0] == contents[1]
    assert run(*given, "-o", tmp_path / "three").exit_code == 0
    assert (tmp_path / "three" / "client.pcap").read_bytes() != contents[0]


def test_files_of_one_name_are_both_written(given: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "client.pcap").write_bytes(Path(given[1]).read_bytes())
    assert run(given[0], other / "client.pcap", "-o", tmp_path / "out").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["client-2.pcap", "client.pcap"]


def test_standard_input(given: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["redact", "-", "-o", str(tmp_path / "out")], input=Path(given[0]).read_bytes()
    )
    assert done.exit_code == 0
    assert (tmp_path / "out" / "stdin.pcap").exists()
    assert "can be only one" in refused("-", "-", "-o", tmp_path / "out")
