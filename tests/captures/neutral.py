"""A capture → the neutral form that scorers of HTTP readers compare (connections and exchanges,
headers as pairs).

python -m tests.captures.neutral CAPTURE… --to FOLDER       one FOLDER/<stem>.json per capture
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path

from lbtrace import pipeline
from lbtrace.errors import LbtraceError
from lbtrace.model.http import Exchange, HeaderLine
from lbtrace.model.trace import Trace

_FOLD = re.compile(r"\r?\n[ \t]+")


def _headers(lines: tuple[HeaderLine, ...]) -> list[list[str]]:
    return [
        [line.name.rstrip(" \t"), line.value]
        for line in lines
        if line.name and not line.name.startswith(":")
    ]


def neutral(trace: Trace) -> dict[str, object]:
    """Frames are those of the only file of the trace."""
    return {
        "packets": trace.packets.read,
        "connections": [
            {
                "client": str(c.client),
                "server": str(c.server),
                "syns": c.syns + c.syn_retransmissions,
                "synacks": c.synacks,
                "rsts": c.from_client.rsts + c.from_server.rsts,
                "fins": c.from_client.fins + c.from_server.fins,
                "first_packet": c.first_frame,
            }
            for c in trace.connections
        ],
        # one that only interim responses are known of is neither a request nor a response
        "exchanges": [_exchange(e) for e in trace.exchanges if e.request or e.response],
    }


def _exchange(e: Exchange) -> dict[str, object]:
    found: dict[str, object] = {
        "connection": e.connection,
        "method": None,
        "target": None,
        "status": None,
        "h2_stream": e.stream_id,
    }
    if e.request is not None:
        q = e.request
        version = q.version or "HTTP/1.1"
        found |= {
            "method": q.method or None,
            "target": q.target or None,
            "version": version,
            "request_headers": _headers(q.lines),
            "request_packet": q.last_frame,
            "request_first_packet": q.first_frame,
        }
    if e.response is not None:
        r = e.response
        found |= {
            "status": r.status,
            "response_headers": _headers(r.lines),
            "response_body_bytes": r.body.length if r.body.complete else None,
            "response_first_packet": r.first_frame,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    chosen = parser.parse_args()
    chosen.to.mkdir(parents=True, exist_ok=True)
    for path in chosen.captures:
        begun = time.process_time()
        name = path.name.split(".")[0]
        try:
            form = neutral(pipeline.inspect([str(path)]))
        except LbtraceError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        (chosen.to / f"{name}.json").write_text(json.dumps(form), encoding="utf-8")
        spent = time.process_time() - begun
        if spent > 1:
            print(f"{path.name}: {spent:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
