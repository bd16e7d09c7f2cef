"""Key logs: what is a line, what is counted, what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.errors import InputError
from lbtrace.tables.packets import TLS_SECRETS
from lbtrace.tls import keylog
from lbtrace.tls.keylog import Secrets, read

RANDOM = "ab" * 32
SECRET = "0123456789abcdef" * 6
LINE = f"CLIENT_RANDOM {RANDOM} {SECRET}"


def _secrets(text: str) -> Secrets:
    found = Secrets()
    found.add(text.encode())
    return found


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"{LINE}\n",
        f"# a comment\r\n\r\n{LINE}\r\n",
        f"  {LINE}  ",
        LINE.replace(RANDOM, RANDOM.upper()),
        f"<134>Nov 29 10:00:00 lb haproxy[7]: {LINE}",
        f'{{"keylog": "{LINE}"}}',
        f"{LINE} # nginx",
    ],
)
def test_a_line(text: str) -> None:
    found = _secrets(text)
    assert found.get("CLIENT_RANDOM", RANDOM) == bytes.fromhex(SECRET)
    assert (found.lines, found.malformed) == (1, 0)
    assert found.knows(RANDOM)


@pytest.mark.parametrize(
    "text",
    [
        "CLIENT_RANDOM",
        f"CLIENT_RANDOM {RANDOM}",
        f"CLIENT_RANDOM {RANDOM[1:]} {SECRET}",
        f"CLIENT_RANDOM {RANDOM} {SECRET[1:]}",
        f"CLIENT_RANDOM {RANDOM} {SECRET}g",
        f"CLIENT_RANDOMS {RANDOM} {SECRET}",
        f"SOME_SECRET {RANDOM} {SECRET}",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET " + RANDOM + " -",
    ],
)
def test_a_malformed_line_is_counted(text: str) -> None:
    found = _secrets(f"{text}\n{LINE}\n")
    assert (found.lines, found.malformed) == (1, 1)


@pytest.mark.parametrize(
    "label",
    [
        "CLIENT_EARLY_TRAFFIC_SECRET",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "CLIENT_TRAFFIC_SECRET_N",
        "EXPORTER_SECRET",
        "EARLY_EXPORTER_MASTER_SECRET",
    ],
)
def test_labels_of_tls_1_3(label: str) -> None:
    assert _secrets(f"{label} {RANDOM} {SECRET}").get(label, RANDOM) == bytes.fromhex(SECRET)


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    found = Secrets()
    found.add(data)
    found.add(LINE.encode())
    assert found.lines >= 1
    assert SECRET not in repr(found)


def test_files_are_joined_and_malformed_lines_told(tmp_path: Path) -> None:
    one, other = tmp_path / "one.keys", tmp_path / "other.keys"
    one.write_text(f"{LINE}\nnonsense\nmore of it\n")
    other.write_text(LINE.replace("ab", "cd"))
    found = read([str(one), str(other)])
    assert found.secrets.knows("ab" * 32)
    assert found.secrets.knows("cd" * 32)
    (said,) = found.said()
    assert (said.slug, said.count) == ("keylog-malformed", 2)
    assert str(one) in said.text
    assert "nonsense" not in said.text
    assert found.said() == ()


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "GET / HTTP/1.1\r\n\r\n", "\0" * 5000])
def test_a_file_without_a_line_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read([str(path)])
    assert error.value.slug == "keylog-empty"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="nothing is endless here")
def test_what_never_ends_is_no_key_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keylog, "_AT_ONCE", 1 << 16)
    with pytest.raises(InputError, match="no line of it is a TLS secret"):
        read(["/dev/zero"])


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as error:
        read([f"{tmp_path}/{name}"])
    assert error.value.slug == "keylog-unreadable"


def test_decryption_secrets_of_a_capture_are_added_to_those_that_were_named() -> None:
    named = _secrets(LINE)
    block = LINE.replace("ab", "cd").encode()
    both = named.joined([(TLS_SECRETS, block), (0x57474B4C, b"wireguard")])
    assert both.knows("ab" * 32)
    assert both.knows("cd" * 32)
    assert not named.knows("cd" * 32)
    assert named.joined([]) is named
