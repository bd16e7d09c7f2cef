"""The JSON format: valid, complete, one exchange per line."""

from __future__ import annotations

import io
import json

from lbtrace.render import View, get_format
from tests.render import founding


def test_report_is_one_valid_document_with_every_exchange_on_its_own_line() -> None:
    out = io.StringIO()
    get_format("json").write_report(founding.report(), out, View())
    text = out.getvalue()
    document = json.loads(text)
    assert document["format"] == "lbtrace-report"
    assert document["verdict"]["kind"] == "l7-proxy"
    assert [p["client"]["frame"] if "frame" in p["client"] else p["client"]["first_frame"] for p in document["pairs"]] == [4, 14, 24, 34]
    assert [e["request"]["target"] for e in document["captures"][0]["exchanges"]] == ["/divide/25", "/divide/50", "/divide/10", "/divide/4"]
    assert sum('"target":"/divide/25"' in line for line in text.splitlines()) == 2
    assert text.endswith("}\n")
