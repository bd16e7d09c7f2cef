"""The examples in docs/extending.md run as they stand there."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lbtrace.comparison import Comparison
from lbtrace.decode.dispatch import IP_PROTOCOLS
from lbtrace.model.net import Side
from lbtrace.model.report import CaptureAlone, CaptureReport
from lbtrace.render import View
from tests.decode.packets import FRAME, network, reason, request_in, v4
from tests.render.founding import report

ROOT = Path(__file__).resolve().parents[2]


def example(name: str) -> SimpleNamespace:
    """The example of that name, as the module it would be."""
    page = (ROOT / "docs/extending.md").read_text("utf-8")
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.+?)\n```\n", page, re.DOTALL)
    assert found is not None
    module: dict[str, object] = {"__name__": f"lbtrace.{name}"}
    exec(compile(found[1], f"docs/extending.md ({name})", "exec"), module)
    return SimpleNamespace(**module)


def test_the_format_writes_one_line() -> None:
    line, out = example("format"), io.StringIO()
    line.write_report(report(), out, View(width=80))
    line.write_trace(CaptureReport((CaptureAlone(report().clients[0]),)), out, View(width=80))
    assert out.getvalue() == "L7 proxy (high)\n4 exchanges\n"


def test_the_tunnel_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IP_PROTOCOLS, "_outcomes", dict(IP_PROTOCOLS._outcomes))
    packet = v4(97, b"\x30\0" + FRAME)
    assert reason(tmp_path, packet) == "ip protocol 97"
    example("tunnel")
    table = request_in(tmp_path, packet)
    assert (network(table), dict(table.counts.peeled)) == ("etherip", {"etherip": 1})
    assert reason(tmp_path, v4(97, b"\x20\0" + FRAME)) == "etherip"


def test_the_finding_finds_what_it_says() -> None:
    finding, given = example("finding"), report()
    exchanges = tuple(
        e._replace(request=e.request and e.request._replace(version="HTTP/1.0"))
        for e in given.backends[0].exchanges
    )
    backends = (replace(given.backends[0], exchanges=exchanges),)
    comparison = Comparison(given.clients, backends, given.correlation)
    [found] = finding.find(comparison)
    assert found.values[0].value == 4
    assert {frame.side for frame in found.evidence[0].frames} == {Side.CLIENT, Side.BACKEND}
    assert not list(finding.find(Comparison(given.clients, given.backends, given.correlation)))
