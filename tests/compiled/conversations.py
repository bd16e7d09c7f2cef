"""Conversations → all that lbtrace reads in them and writes of them, in words."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from lbtrace.model.net import Side
from lbtrace.model.report import CaptureAlone, CaptureReport
from lbtrace.model.trace import CaptureFile, PacketCounts, Trace
from lbtrace.render import View, get_format
from lbtrace.tables.exchanges import Exchanges
from tests.http.streams import Talk, hear

FILE = CaptureFile("a.pcap", "pcap", "", 0, 3, 1, 0, 0, 1, ("ETHERNET",), None, None)


def written(report: Any, secrets: bool = False) -> str:
    """The JSON of a report."""
    out = io.StringIO()
    chosen = get_format("json")
    write = chosen.write_trace if isinstance(report, CaptureReport) else chosen.write_report
    write(report, out, View(show_secrets=secrets))
    return out.getvalue()


def told(talks: list[Talk], rotated: bool) -> str:
    """The exchanges of some conversations, as objects and as the JSON that masks, in words."""
    heard = hear(*talks)
    files = (
        (FILE, replace(FILE, first_frame=4), replace(FILE, first_frame=9)) if rotated else (FILE,)
    )
    seen = Trace(
        Side.CLIENT, 0, files, PacketCounts(0, 0), 0, 0, [], heard.applications, heard.exchanges
    )
    report = CaptureReport((CaptureAlone(seen),))
    of_rows = written(report), written(report, secrets=True)
    rows = len(heard.exchanges.table) if isinstance(heard.exchanges, Exchanges) else 0
    return "\n".join([f"{rows} rows", *of_rows, *map(repr, heard.exchanges)])
