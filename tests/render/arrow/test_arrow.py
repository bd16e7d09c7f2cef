"""The tables for notebooks hold what the JSON holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lbtrace.cli import cli
from lbtrace.errors import LbtraceError, OptionError
from lbtrace.model.report import Report
from lbtrace.pipeline import compare, show
from lbtrace.render import View, get_format
from lbtrace.render.arrow import TABLES, arrow_tables
from tests.golden import SAMPLES
from tests.simulator.script import Script

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
COMPARED = ("nginx-race", "nginx-retried-post", "haproxy-proxy-v2", "alb-like-tls")


def captures(sample: str) -> list[str]:
    folder = SAMPLES / sample
    return [str(folder / "client.pcap"), *map(str, sorted(folder.glob("backend*.pcap")))]


def report_of(sample: str) -> Report:
    client, *backends = captures(sample)
    return compare([[client]], [[path] for path in backends])


def rows(table: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def document(report: Report) -> dict[str, Any]:
    out = StringIO()
    get_format("json").write_report(report, out, View())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.parametrize("sample", COMPARED)
def test_exchanges_headers_and_connections_are_those_of_the_json(sample: str) -> None:
    report = report_of(sample)
    tables, said = report.to_arrow(), document(report)
    exchanges = iter(rows(tables["exchanges"]))
    headers = iter(rows(tables["headers"]))
    connections = iter(rows(tables["connections"]))
    for capture in said["captures"]:
        place = (capture["side"], capture["point"])
        for each in capture["connections"]:
            row = next(connections)
            assert (row["side"], row["point"], row["connection"]) == (*place, each["id"])
            assert f"{row['client_address']}:{row['client_port']}" == each["client"]
            assert row["opened"] == each["opened"]
            assert row["client_packets"] == each["from_client"]["packets"]
            assert row["first_frame"] == each["first_frame"]
        for each in capture["exchanges"]:
            row = next(exchanges)
            assert (row["side"], row["point"], row["exchange"]) == (*place, each["id"])
            for name in ("request", "response"):
                half = each[name]
                assert (row[f"{name}_frame"] is None) == (half is None)
                if half is None:
                    continue
                assert row[f"{name}_frame"] == half["first_frame"]
                assert row[f"{name}_body_digest"] == half["body"]["digest"]
                assert row[f"{name}_body_bytes"] == half["body"]["length"]
                for position, line in enumerate(half["headers"]):
                    header = next(headers)
                    assert [header["name"], header["value"]] == line[:2]
                    assert (header["message"], header["position"]) == (name, position)
            if each["request"]:
                assert row["target"] == each["request"]["target"]
            if each["response"]:
                assert row["status"] == each["response"]["status"]
    assert not [*exchanges, *headers, *connections]


@pytest.mark.parametrize("sample", COMPARED)
def test_pairs_and_findings_are_those_of_the_json(sample: str) -> None:
    report = report_of(sample)
    tables, said = report.to_arrow(), document(report)
    tried = [
        (pair["id"], pair["client"]["exchange"], place, attempt["backend"]["exchange"])
        for pair in said["pairs"]
        for place, attempt in enumerate(pair["attempts"])
    ]
    names = ("pair", "client_exchange", "attempt", "backend_exchange")
    found = rows(tables["pairs"])
    assert [tuple(row[n] for n in names) for row in found if row["attempts"]] == tried
    findings = rows(tables["findings"])
    assert [row["text"] for row in findings] == [each["text"] for each in said["findings"]]
    frames = [
        [(f["side"], f["frame"]) for e in each["evidence"] for f in e["frames"]]
        for each in said["findings"]
    ]
    assert [[(f["side"], f["frame"]) for f in row["frames"]] for row in findings] == frames
    problems = {n: p["id"] for p in said["problems"] for n in p["findings"]}
    assert [row["problem"] for row in findings] == [problems.get(n) for n in range(len(findings))]


def test_times_keep_their_nanoseconds() -> None:
    report = report_of("nginx-race")
    table = report.to_arrow()["exchanges"]
    began = table.column("request_time").cast("int64").to_pylist()
    told = [
        exchange.request and exchange.request.first_ns
        for trace in (*report.clients, *report.backends)
        for exchange in trace.exchanges
    ]
    assert began == told


def test_a_table_has_the_same_columns_whatever_was_captured(tmp_path: Path) -> None:
    nothing = Script()
    nothing.front()
    nothing.back()
    empty, full = nothing.report(tmp_path).to_arrow(), report_of("nginx-race").to_arrow()
    assert [t.name for t in TABLES] == list(empty) == list(full)
    assert empty["exchanges"].num_rows == 0
    for name in full:
        assert empty[name].schema == full[name].schema
        assert all(field.metadata[b"meaning"] for field in full[name].schema)


def test_one_capture_has_no_pairs() -> None:
    tables = show([captures("nginx-race")[:1]]).to_arrow()
    assert list(tables) == ["exchanges", "headers", "connections", "findings"]
    assert tables["exchanges"].num_rows == 3


def test_credentials_are_masked_and_hostile_bytes_are_text(tmp_path: Path) -> None:
    script = Script()
    ask = (
        b"GET /\x1b[31m\xff?token=s3cr3t-token HTTP/1.1\r\nHost: a\r\nCookie: sid=31d4d96e\r\n\r\n"
    )
    script.front().asks(ask).answers(b"HTTP/1.1 200 O\xfeK\r\nContent-Length: 0\r\n\r\n")
    script.back().asks(ask)
    report = script.report(tmp_path)
    for shown in (False, True):
        text = repr([rows(table) for table in report.to_arrow(show_secrets=shown).values()])
        assert ("31d4d96e" in text) == shown
        assert ("s3cr3t-token" in text) == shown
    assert rows(report.to_arrow()["exchanges"])[0]["target"].startswith("/\x1b[31m\xff?token=")


def run(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_parquet_files(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    done = run("compare", *captures("nginx-race"), "--format", "parquet", "-o", folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(folder / f"{table.name}.parquet") for table in TABLES]
    tables = report_of("nginx-race").to_arrow()
    for name, table in tables.items():
        assert parquet.read_table(folder / f"{name}.parquet").equals(table)
    assert len(list(folder.iterdir())) == len(TABLES)
    again = run("show", captures("nginx-race")[0], "--format", "parquet", "-o", folder)
    assert again.exit_code == 0
    assert parquet.read_table(folder / "exchanges.parquet").num_rows == 3


def refused(*words: object) -> str:
    done = run(*words)
    assert isinstance(done.exception, LbtraceError)
    return str(done.exception)


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    given = ("show", captures("nginx-race")[0], "--format", "parquet")
    assert "writes a folder: say which" in refused(*given)
    assert "this is a file" in refused(*given, "-o", captures("nginx-race")[0])
    assert "there is no directory" in refused(*given, "-o", tmp_path / "a" / "b")
    assert "--zoom is for people" in refused(*given, "-o", tmp_path, "--zoom", "1")


def without(monkeypatch: pytest.MonkeyPatch, libraries: Sequence[str]) -> None:
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)


def test_a_missing_library_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = report_of("nginx-race")
    without(monkeypatch, ["pandas", "polars"])
    with pytest.raises(OptionError, match="pandas is not installed"):
        report.to_pandas()
    with pytest.raises(OptionError, match="polars is not installed"):
        report.to_polars()
    without(monkeypatch, ["pyarrow"])
    with pytest.raises(OptionError, match="pyarrow is not installed"):
        arrow_tables(report)
    message = refused("show", captures("nginx-race")[0], "--format", "parquet", "-o", tmp_path)
    assert "pyarrow is not installed" in message


def test_pandas() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frames = report_of("nginx-race").to_pandas()
    assert list(frames["exchanges"].query("side == 'client'").status) == [200, 200, 200]


def test_polars() -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    assert report_of("nginx-race").to_polars()["exchanges"].height == 7
