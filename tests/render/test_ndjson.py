"""NDJSON: the lines are the objects of the JSON document."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import defaultdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from lbtrace.pipeline import compare, show
from lbtrace.render import View, get_format
from tests.golden import SAMPLES
from tests.simulator.script import Script

PAIRS = sorted(p.name for p in SAMPLES.iterdir() if (p / "client.pcap").exists())
LISTS = {
    "findings": "finding",
    "problems": "problem",
    "clocks": "clock",
    "health_checks": "health_check",
    "pairs": "pair",
    "unpaired": "unpaired",
    "sets": "set",
    "connection_pairs": "connection_pair",
}
OF_CAPTURES = {"connections": "connection", "exchanges": "exchange", "diagnostics": "diagnostic"}


def files(sample: str) -> tuple[str, list[str]]:
    folder = SAMPLES / sample
    return str(folder / "client.pcap"), [str(p) for p in sorted(folder.glob("backend*.pcap"))]


def written(name: str, sample: str) -> str:
    client, backends = files(sample)
    out = StringIO()
    get_format(name).write_report(compare([[client]], [[b] for b in backends]), out, View())
    return out.getvalue()


def by_kind(text: str) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for line in text.splitlines():
        held = json.loads(line)
        assert next(iter(held)) == "kind"
        found[held.pop("kind")].append(held)
    return found


@pytest.mark.parametrize("sample", PAIRS)
def test_the_lines_are_the_document(sample: str) -> None:
    text = written("ndjson", sample)
    assert text.isascii()
    assert text.endswith("}\n")
    lines, document = by_kind(text), json.loads(written("json", sample))
    for key, kind in LISTS.items():
        assert lines.pop(kind, []) == document.pop(key), key
    for key in ("header_change", "trailer_change"):
        changes = [
            {"kind" if name == "change" else name: value for name, value in change.items()}
            for change in lines.pop(key, [])
        ]
        assert changes == document.pop(f"{key}s")
    captures = document.pop("captures")
    for capture in captures:
        place = {"side": capture["side"], "point": capture["point"]}
        for key, kind in OF_CAPTURES.items():
            mine = [x for x in lines[kind] if place.items() <= x.items()]
            assert mine == [{**place, **each} for each in capture.pop(key)]
    for kind in OF_CAPTURES.values():
        lines.pop(kind, None)
    assert lines.pop("capture") == captures
    behaviour = document.pop("behaviour")
    assert lines.pop("fact", []) == behaviour.pop("facts")
    assert lines.pop("head", []) == behaviour.pop("heads")
    assert lines.pop("behaviour") == [behaviour]
    assert lines.pop("report") == [document]
    assert not lines


def test_one_capture() -> None:
    client, _ = files("nginx-race")
    shown = show([[client]])
    texts = {}
    for name in ("json", "ndjson"):
        out = StringIO()
        get_format(name).write_trace(shown, out, View())
        texts[name] = out.getvalue()
    lines, document = by_kind(texts["ndjson"]), json.loads(texts["json"])
    assert lines["report"] == [{k: document[k] for k in lines["report"][0]}]
    assert lines["finding"] == document["findings"]
    assert [e["id"] for e in lines["exchange"]] == [
        e["id"] for e in document["capture"]["exchanges"]
    ]
    assert len(lines["connection"]) == len(document["capture"]["connections"])


def test_hostile_bytes_and_credentials(tmp_path: Path) -> None:
    script = Script()
    ask = b'GET /"}\x1b[31m\xff HTTP/1.1\r\nHost: a\r\nX: "}\n{"kind":"pair"}\r\n'
    ask += b"Cookie: sid=31d4d96e\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    front, back = script.front().asks(ask), script.back().asks(ask)
    back.answers(answer)
    front.answers(answer)
    report = script.report(tmp_path)
    out = StringIO()
    get_format("ndjson").write_report(report, out, View())
    lines = by_kind(out.getvalue())
    assert len(lines["pair"]) == len(report.correlation.pairs)
    assert "31d4d96e" not in out.getvalue()
    assert "\x1b" not in out.getvalue()
    shown = StringIO()
    get_format("ndjson").write_report(report, shown, View(show_secrets=True))
    assert "31d4d96e" in shown.getvalue()


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq_reads_it_line_by_line() -> None:
    text = written("ndjson", "nginx-race")
    program = 'select(.kind == "exchange" and .side == "client") | .response.status'
    done = subprocess.run(
        ["jq", "-c", program], input=text, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["200", "200", "200"]
