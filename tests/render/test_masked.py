"""No output shows a credential that a capture holds, nor a piece of one, unless it is asked for."""

from __future__ import annotations

import io
import json
import random
import string
import struct
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import dpkt
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbtrace import compare, show
from lbtrace.cli import cli, run
from lbtrace.http_fields import COOKIE, SET_COOKIE, Meaning, fields_of, spelling
from lbtrace.http_fields.lines import lowered
from lbtrace.http_fields.masking import may_hold_url
from lbtrace.http_fields.secrets import is_secret
from lbtrace.model.behaviour import Fact
from lbtrace.render.masked import (
    LEAST,
    _beginnings,
    _like_urls,
    masked_capture_report,
    masked_report,
)
from tests.compiled import needs_core, on_both
from tests.golden import SAMPLES
from tests.simulator import Balancer, Simulation

PIECE = 6  # characters of a credential that give it away
LETTERS = string.ascii_letters + string.digits
UNKNOWN = (
    *("X-Acme-Token", "my_secret", "X-Key", "x-apikey", "Auth", "X-Db-Password"),
    *("Session", "X-Credential", "x-signature-v2", "X-AccessToken"),
    *("X-Authorization", "X-Original-Cookie", "X-Jwt", "X-Bearer", "X-GitHub-OTP", "X-CSRF"),
)
FIELDS = (*map(spelling, sorted(fields_of(Meaning.SECRET))), *UNKNOWN)
HARMLESS = "0123456789abcdef"  # an id, which is no credential


class Planted:
    """Credentials, each drawn anew and remembered."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.every: list[str] = []

    def __call__(self, size: int = 24) -> str:
        self.every.append("".join(self._random.choices(LETTERS, k=size)))
        return self.every[-1]

    def value(self, field: str) -> str:
        """A value of a secret field."""
        if field.lower() in (COOKIE, SET_COOKIE):
            return f"sid={self()}; theme={self()}"
        return self._random.choice(("{}", "Bearer {}", "v1 {}")).format(self())

    def subprotocols(self) -> str:
        """Names of subprotocols with a credential among them."""
        forms = (
            "bearer, {}",
            "v4.example, authorization.example.{}",
            "v1, eyJhbGciOiJSUzI1NiJ9.{}",
        )
        return self._random.choice(forms).format(self())

    def target(self) -> str:
        """A target with credentials in it."""
        form = self._random.choice(
            (
                "/login?access_token={}&n=1",
                "/a;jsessionid={}/b",
                "http://me:{}@host/a",
                "/a?next=%2Fb%3Ftoken%3D{}&n=2",
                "/a?next=/b?n=1;api_key={}#x",
                "/back?code={}&state=here",
                "/a#ticket={}",
            )
        )
        return form.format(self())


def played(planted: Planted, folder: Path, loss: float) -> list[str]:
    """A play with credentials wherever one can stand → its captures."""
    forced = ("Authorization", "X-Inner-Token", "Cookie", "X-Cache-Secret")
    balancer = Balancer(
        add=[("X-Forwarded-For", "{client}"), *((f, planted.value(f)) for f in forced[:2])],
        respond=[("X-Acme-Session", planted())],
        drop=["X-Api-Key"],
        check_ms=80,
        check=f"GET {planted.target()}",
        redirect=0.1,
    )
    simulation = Simulation(seed=len(planted.every), balancer=balancer, client_loss=loss)
    client = simulation.client("192.168.0.5", seen_as="192.0.2.7")
    for n, field in enumerate(FIELDS):
        answer = FIELDS[-n]
        client.asks(
            "GET",
            planted.target(),
            at_ms=20 * n,
            connection="kept" if n % 3 else "",
            headers=[
                (field, planted.value(field)),
                ("X-Request-Id", f"{HARMLESS}{n:02}"),
                ("Sec-WebSocket-Protocol", planted.subprotocols()),
            ],
            answer_headers=[
                (answer, planted.value(answer)),
                (("WWW", "Proxy")[n % 2] + "-Authenticate", f"Negotiate {planted()}, Basic"),
                ("Location", planted.target()),
                ("Set-Cookie", f"sid={planted()}; Path=/; HttpOnly"),
            ],
        )
    recorded = simulation.run(pcaps=True)
    paths = []
    for side, of_side in (("client", recorded.client_pcaps), ("backend", recorded.backend_pcaps)):
        for n, content in enumerate(of_side):
            paths.append(folder / f"{side}{n}.pcap")
            paths[-1].write_bytes(content)
    return list(map(str, paths))


def outputs(files: Sequence[str], widths: Sequence[int] = (80,)) -> Iterator[str]:
    """What every command that reads captures prints of them, in each of its formats."""
    commands = [["compare", *files], ["compare", *files, "--all"], ["compare", *files, "-v"]]
    commands += [["compare", *files, "-q"], ["compare", *files, "--all", "--lang", "ko"]]
    commands += [["show", file, how] for file in files for how in ("--all", "-v")]
    commands += [["show", *files, "--zoom", "1:1", "--all"]]
    for command in commands:
        for width in widths:
            yield printed([*command, "--width", str(width)])
    for command in (["compare", *files], *(["show", file] for file in files)):
        for name in formats(command[0]):
            if name == "parquet":
                yield from _tables(command)
            else:
                yield printed([*command, "--format", name])
    yield from _ladders(files)
    yield from _checked(files)
    yield from _differences(files)
    for file in files:
        some = f"1-{min(show(Path(file)).trace.packets.read, 60)}"
        yield from (printed(["frame", file, some, *more]) for more in ([], ["--hex"]))


def formats(command: str) -> list[str]:
    """The formats that a command can write."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    (option,) = (o for o in found.params if "--format" in o.opts)
    assert isinstance(option.type, click.Choice)
    return list(option.type.choices)


def _tables(command: Sequence[str]) -> Iterator[str]:
    """What stands in the tables for notebooks."""
    parquet = pytest.importorskip("pyarrow.parquet")
    with TemporaryDirectory() as folder:
        printed([*command, "--format", "parquet", "-o", f"{folder}/tables"])
        files = sorted(Path(folder).rglob("*.parquet"))
        assert files
        for file in files:
            table = parquet.read_table(file)
            texts = [c for c in table.columns if not str(c.type).startswith("timestamp")]
            yield "\n".join(str(value) for column in texts for value in column)


def _ladders(files: Sequence[str]) -> Iterator[str]:
    for name in ("1", "2", "u1"):
        yield printed(["compare", *files, "--zoom", name, "--all"])
        for ladder in ("text", "mermaid", "svg"):
            yield printed(["compare", *files, "--zoom", name, "--ladder", ladder])


def _packets_written(files: Sequence[str]) -> Iterator[str]:
    """What commands that write packets say, and what they write beside the packets."""
    with TemporaryDirectory() as folder:
        ways = [["merge", *files, "-o", f"{folder}/merged.pcapng"]]
        chosen = (["--pair", "1"], ["--pair", "u1"], ["--problem", "P1"], ["--path", "*"])
        for number, choice in enumerate(chosen):
            target = f"{folder}/{number}" if number % 2 else f"{folder}/{number}.pcapng"
            ways.append(["extract", *files, *choice, "-o", target])
        for way in ways:
            yield complained(way)
        written = sorted(Path(folder).rglob("*.pcapng"))
        assert len(written) > 1
        for path in written:
            yield beside_packets(path.read_bytes())


def beside_packets(data: bytes) -> str:
    """All that a pcapng file says beside its packets: comments, names, secrets, descriptions."""
    said, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        begin = at + 8
        if kind == 6:
            begin = at + 28 + (struct.unpack_from("<I", data, at + 20)[0] + 3 & ~3)
        said.append(data[begin : at + size - 4])
        at += size
    return b"\n".join(said).decode("latin-1")


def _complaints(files: Sequence[str]) -> Iterator[str]:
    """What is said when something is wrong with the command, or with a capture."""
    for words in (
        ["compare", *files, "--zoom", "999999"],
        ["compare", *files, "--zoom", "P999"],
        ["extract", *files, "--path", "/nothing/like/this", "-o", "/nowhere/at/all.pcapng"],
        ["frame", files[0], "999999"],
        ["check", *files, "--expect", files[0]],
        ["check", *files, "--baseline", files[0]],
        ["check", "--report", files[0], "--profile", "nginx"],
        ["diff", *files[:2]],
        ["compare", *files, "--keylog", files[0]],
    ):
        yield complained(words)
    with TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            data = Path(file).read_bytes()
            cut = Path(folder) / f"{number}.pcap"
            cut.write_bytes(data[: len(data) // 2] + bytes(333) + data[len(data) // 2 : -7])
            yield complained(["show", str(cut), "--all"])


def _in_python(files: Sequence[str]) -> Iterator[str]:
    """What results show of themselves."""
    report = compare(*map(Path, files))
    for result in (report, show(*map(Path, files))):
        yield "\n".join([str(result), repr(result), result._repr_html_()])
        yield json.dumps(result.to_dict())
        yield "\n".join(map(repr, result.problems))
    yield "\n".join(repr(finding) for finding in report.findings)


def _checked(files: Sequence[str]) -> Iterator[str]:
    """The expectations of this run, and what becomes of others: a known balancer's, and those of a
    good run whose report shows its credentials.
    """
    yield printed(["check", *files, "--init"], 0, 2)
    with TemporaryDirectory() as folder:
        good = str(Path(folder) / "good.json")
        printed(["compare", *files, "--format", "json", "-o", good, "--show-secrets"])
        for name in formats("check"):
            for given, wanted in (
                (files, ["--profile", "nginx", "--baseline", good]),
                (["--client", files[0]], ["--baseline", good]),
                (["--report", good], ["--profile", "haproxy"]),
            ):
                yield printed(["check", *given, *wanted, "--format", name], 0, 1, 3)


def _differences(files: Sequence[str]) -> Iterator[str]:
    """A run beside one of another balancer, either way round."""
    with TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        printed(["compare", *files, "--format", "json", "-o", str(report), "--show-secrets"])
        for pair in ([str(report), "alb-like"], ["nginx", str(report)]):
            for format_name in formats("diff"):
                yield printed(["diff", *pair, "--format", format_name], 0, 3)


def printed(arguments: Sequence[str], *codes: int) -> str:
    """What a command prints, on both streams. It ends with one of the codes, else with 0."""
    done = CliRunner().invoke(cli, arguments, env={"NO_COLOR": "1"}, catch_exceptions=False)
    assert done.exit_code in (codes or (0,)), done.output
    return str(done.output)


def complained(words: Sequence[str]) -> str:
    """What a command prints that may not do what it is asked for."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        assert run(list(words)) in (0, 1, 2, 3)
    return said.getvalue()


def pieces(text: str) -> set[str]:
    """Every piece of a text that is long enough to give a credential away."""
    return {text[i : i + PIECE] for i in range(max(len(text) - PIECE, 0) + 1)}


def leaked(secrets: Sequence[str], text: str) -> list[str]:
    """The credentials of which the text shows a piece, wherever its lines break."""
    shown = pieces("".join(text.split()))
    return [secret for secret in secrets if not shown.isdisjoint(pieces(secret))]


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3]))
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_output_shows_a_planted_credential(tmp_path: Path, seed: int, loss: float) -> None:
    planted = Planted(seed)
    files = played(planted, tmp_path, loss)
    for text in outputs(files, widths=(40, 400)):
        assert leaked(planted.every, text) == []


@pytest.mark.parametrize(("seed", "loss"), [(1, 0.0), (2, 0.3)])
def test_nothing_beside_a_result_shows_a_planted_credential(
    tmp_path: Path, seed: int, loss: float
) -> None:
    planted = Planted(seed)
    files = played(planted, tmp_path, loss)
    for made in (_packets_written, _complaints, _in_python):
        for text in made(files):
            assert leaked(planted.every, text) == []


@pytest.mark.parametrize("more", [[], ["--bodies", "--addresses"]])
def test_no_redacted_capture_holds_a_credential(tmp_path: Path, more: list[str]) -> None:
    planted = Planted(11)
    files = played(planted, tmp_path, 0.3)
    said = printed(["redact", *files, *more, "-o", str(tmp_path / "out")])
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == len(files)
    assert leaked(planted.every, said) == []
    for path in written:
        texts = [path.read_bytes(), *streams(path)]
        for text in texts:
            assert leaked(planted.every, text.decode("latin-1")) == []
    assert any(leaked(planted.every, b"".join(streams(Path(f))).decode("latin-1")) for f in files)


def streams(path: Path) -> list[bytes]:
    """The bytes of each direction of each connection, each place once."""
    found: dict[bytes, dict[int, bytes]] = {}
    with open(path, "rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            ip = dpkt.ip.IP(data)
            tcp = ip.data
            if isinstance(tcp, dpkt.tcp.TCP) and tcp.data:
                ends = ip.src + ip.dst + struct.pack(">HH", tcp.sport, tcp.dport)
                found.setdefault(ends, {})[tcp.seq] = bytes(tcp.data)
    return [b"".join(data for _, data in sorted(each.items())) for each in found.values()]


def test_written_packets_are_as_they_were(tmp_path: Path) -> None:
    """`merge` and `extract` copy packets, credentials and all."""
    planted = Planted(13)
    files = played(planted, tmp_path, 0.0)
    sent = []
    for path in files:
        with open(path, "rb") as file:
            sent += [data for _, data in dpkt.pcap.Reader(file)]
    for words in (["merge"], ["extract", "--path", "*", "--pair", "u1"]):
        written = tmp_path / f"{words[0]}.pcapng"
        printed([words[0], *files, *words[1:], "-o", str(written)])
        with open(written, "rb") as file:
            packets = [data for _, data in dpkt.pcapng.Reader(file)]
        assert packets
        assert set(packets) <= set(sent)
        assert words[0] != "merge" or sorted(packets) == sorted(sent)


def test_what_is_asked_for_is_shown(tmp_path: Path) -> None:
    planted = Planted(1)
    files = played(planted, tmp_path, 0.0)
    shown = printed(["compare", *files, "--format", "json", "--show-secrets"])
    document = json.loads(shown)
    assert document["secrets"] == "shown"
    assert json.loads(printed(["compare", *files, "--format", "json"]))["secrets"] == "masked"
    assert len(leaked(planted.every, shown)) > len(FIELDS)
    assert HARMLESS in printed(["compare", *files, "--format", "json"])


def secrets_of(document: Any) -> Iterator[str]:
    """The credentials in the heads of a JSON document."""
    captures = document.get("captures") or [document["capture"]]
    for capture in captures:
        for exchange in capture["exchanges"]:
            for message in filter(None, (exchange["request"], exchange["response"])):
                for name, value, *_ in message["headers"]:
                    if is_secret(lowered(name)):
                        yield from (part.rpartition("=")[2] for part in value.split("; "))


@pytest.mark.parametrize("sample", sorted(p.parent.name for p in SAMPLES.glob("*/client.pcap")))
def test_no_output_shows_a_credential_of_a_sample(sample: str) -> None:
    folder = SAMPLES / sample
    files = [str(folder / "client.pcap"), *map(str, sorted(folder.glob("backend*.pcap")))]
    shown = json.loads(printed(["compare", *files, "--format", "json", "--show-secrets"]))
    secrets = [s for s in secrets_of(shown) if len(s) >= PIECE]
    for text in outputs(files) if secrets else ():
        assert leaked(secrets, text) == []


def test_the_same_captures_give_the_same_page_and_others_another(tmp_path: Path) -> None:
    one, two = Planted(7), Planted(7)
    files = played(one, tmp_path, 0.0)
    page = printed(["compare", *files, "--format", "json"])
    assert page == printed(["compare", *files, "--format", "json"])
    (tmp_path / "other").mkdir()
    others = played(two, tmp_path / "other", 0.0)
    with open(others[0], "ab") as file:
        file.write(b"\0")  # a byte more
    digests = [set(marks(p)) for p in (page, printed(["compare", *others, "--format", "json"]))]
    assert len(digests[0] & digests[1]) < len(digests[0]) / 10


def marks(text: str) -> Iterator[str]:
    """The digests in a text."""
    return (part[:4] for part in text.split("bytes, #")[1:])


def test_equal_stays_equal_and_changed_stays_changed(tmp_path: Path) -> None:
    planted = Planted(3)
    files = played(planted, tmp_path, 0.0)
    raw, masked = (
        json.loads(printed(["compare", *files, "--format", "json", *more]))
        for more in (["--show-secrets"], [])
    )
    before = list(secrets_of(raw))
    after = list(secrets_of(masked))
    assert len(before) == len(after)
    shown = dict(zip(before, after, strict=True))
    assert after == [shown[secret] for secret in before]
    assert len(set(after)) > len(set(before)) * 0.9  # of 16 bits, two may meet


def test_what_python_gets_keeps_its_values(tmp_path: Path) -> None:
    planted = Planted(5)
    files = played(planted, tmp_path, 0.0)
    report = compare(*map(Path, files))
    said = repr([list(t.exchanges) for t in (*report.clients, *report.backends)])
    masked = masked_report(report)
    assert sum(s in said for s in planted.every) > len(FIELDS)
    assert said == repr([list(t.exchanges) for t in (*report.clients, *report.backends)])
    hidden = repr([list(t.exchanges) for t in (*masked.clients, *masked.backends)])
    assert leaked(planted.every, hidden) == []
    alone = show(Path(files[0]))
    assert masked_capture_report(alone).trace.connections is alone.trace.connections


def test_no_text_of_a_fact_names_a_credential() -> None:
    """The example of what both sides have, where nothing more is known; values that were seen."""
    sample = SAMPLES / "nginx-concurrent"
    report = compare(sample / "client.pcap", sample / "backend.pcap")
    assert report.behaviour is not None
    target = "/?access_token=zQ9tokenThatNobodySees&n=1"
    fact = Fact("balancer.kind", None, f"like {target}", values=(target,), unknown=f"{target}.")
    shown = masked_report(replace(report, behaviour=replace(report.behaviour, facts=(fact,))))
    assert shown.behaviour is not None
    assert "access_token=" in repr(shown.behaviour.facts)
    assert leaked(["zQ9tokenThatNobodySees"], repr(shown.behaviour.facts)) == []


def test_a_word_that_is_a_cookie_too_is_not_blotted_out(tmp_path: Path) -> None:
    simulation = Simulation(seed=1, balancer=Balancer(add=[("X-Forwarded-For", "{client}")]))
    client = simulation.client("192.168.0.5", seen_as="192.0.2.7")
    for n in range(4):
        cookie = "side=backend; host=lb.example.com; at=192.168.0.5"
        client.asks("GET", f"/{n}", at_ms=20 * n, headers=[("Cookie", cookie)])
    recorded = simulation.run(pcaps=True)
    files = [tmp_path / "c.pcap", tmp_path / "b.pcap"]
    files[0].write_bytes(recorded.client_pcaps[0])
    files[1].write_bytes(recorded.backend_pcaps[0])
    page = printed(["compare", *map(str, files), "--all", "--width", "400"])
    assert "backend side" in page
    assert "192.168.0.5" in page


@given(
    st.lists(
        st.binary(max_size=6) | st.sampled_from([b"a/", b"/b", b"//", b"x=1", b"%", b"?x=", b";"])
    )
)
def test_lines_are_looked_at_together_as_they_are_one_by_one(lines: list[bytes]) -> None:
    for found in on_both(lambda: _like_urls(lines).tolist()):
        assert found == list(map(may_hold_url, lines))


@given(
    st.lists(st.text("ab…", min_size=LEAST, max_size=3 * LEAST), max_size=4),
    st.lists(st.lists(st.text("ab…", max_size=9), min_size=1, max_size=3), max_size=4),
    st.data(),
)
def test_no_text_that_holds_a_credential_is_passed_over(
    secrets: list[str], pieces: list[list[str]], data: st.DataObject
) -> None:
    between = st.sampled_from([*secrets, ""])
    texts = [data.draw(between).join(each) for each in pieces]
    holding = [any(s in text for s in secrets) for text in texts]
    for found in on_both(lambda: _beginnings(secrets).found_in(texts)):
        assert len(found) == len(texts)
        assert all(seen or not held for seen, held in zip(found, holding, strict=True))


def test_ids_that_begin_alike_are_told_apart() -> None:
    ids = [f"{n:08d}c0ffee" for n in range(100)]
    texts = [f"/api/items/{n:08d}?page=2" for n in range(100)]
    for found in on_both(lambda: _beginnings(ids).found_in([*texts, ids[7]])):
        assert list(found) == [0] * 100 + [1]


@needs_core
def test_a_text_without_utf8_is_searched_and_with_a_credential_without_it_every_text() -> None:
    texts = ["\udc80", "plain", ""]
    assert _beginnings(["secret1"]).found_in(texts) == b"\1\0\0"
    assert _beginnings(["secret\udc80"]).found_in(texts) == b"\1\1\1"


def test_a_line_without_any_mark_of_a_url_is_passed_over() -> None:
    lines = [b"Accept: */*", b"A: b", b"", b"A: %2f", b"B: ;c=d", b"C: d"]
    for found in on_both(lambda: np.flatnonzero(_like_urls(lines)).tolist()):
        assert found == [3, 4]
