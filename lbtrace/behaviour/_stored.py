"""A report in JSON, as `--format json` wrote it → its Behaviour.

lbtrace writes one fact per line, so only the lines of `behaviour` are parsed; a report that was
written anew by another program is parsed whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from lbtrace.errors import InputError, unread
from lbtrace.model.behaviour import Behaviour, Fact, Share, ShownHead
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence, Severity

REPORT = "lbtrace-report"
_LOOKED_AT = 1 << 16  # characters of a first line
_KEY = '"behaviour":'


def stored(path: str) -> Behaviour:
    """The Behaviour in a report. InputError when the file cannot be read or is no report."""
    try:
        with open(path, encoding="utf-8") as file:
            found = _object(file)
    except OSError as error:
        wrong, hint = unread(error)
        raise InputError("report-unreadable", f"{path}: {wrong}", hint) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or nested without end
        raise InputError(
            "no-report",
            f"{path}: is no JSON report.",
            "Make one: lbtrace compare CLIENT BACKEND --format json -o report.json",
        ) from error
    if found is None:
        raise InputError(
            "report-without-behaviour",
            f"{path}: is no report of lbtrace, or an older one without the key `behaviour`.",
            "Make it anew: lbtrace compare CLIENT BACKEND --format json -o report.json",
        )
    try:
        return _behaviour(found)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            "damaged-report", f"{path}: the behaviour in it is damaged.", "Make it anew."
        ) from error


def _object(file: TextIO) -> Any:
    """The object `behaviour`, None when there is none."""
    first = file.readline(_LOOKED_AT)
    if not first.lstrip("\ufeff \t\r\n").startswith("{") and first.strip():
        json.loads(first)  # no object: not more is read of what may never end
        return None
    if first.startswith("{") and f'"format":"{REPORT}"' in first:
        lines = _lines(file)
        if lines is not None:
            return lines
    file.seek(0)
    whole = json.load(file)
    if not isinstance(whole, dict) or whole.get("format") != REPORT:
        return None
    return whole.get("behaviour")


def _lines(file: TextIO) -> Any:
    """As lbtrace wrote it: the key on a line, then the object up to its end."""
    held: list[str] = []
    for line in file:
        if held:
            if line == ",\n":
                return json.loads("".join(held)[len(_KEY) :])
            held.append(line)
        elif line.startswith(_KEY):
            held.append(line)
    return None


def _behaviour(found: dict[str, Any]) -> Behaviour:
    return Behaviour(
        tuple(_fact(fact) for fact in found["facts"]),
        int(found["exchanges"]),
        str(found["undecided"]),
        bool(found["one_sided"]),
        tuple(_head(head) for head in found.get("heads", ())),  # older reports have none
    )


def _head(head: dict[str, Any]) -> ShownHead:
    return ShownHead(
        _frame(head),
        str(head["exchange"]),
        bool(head["is_request"]),
        tuple(str(line) for line in head["lines"]),
    )


def _frame(f: dict[str, Any]) -> FrameRef:
    return FrameRef(Side(f["side"]), int(f["point"]), int(f["file"]), int(f["frame"]), f["time_ns"])


def _fact(fact: dict[str, Any]) -> Fact:
    name, value = str(fact["name"]), fact["value"]
    if name.startswith("findings."):
        value = Severity(value).value
    return Fact(
        name,
        value if isinstance(value, str) else _whole(value),
        str(fact["seen"]),
        fact["unit"],
        tuple(
            Share(
                str(share["name"]),
                int(share["count"]),
                int(share["of"]),
                str(share["example"]),
                tuple(_evidence(share["evidence"])),
            )
            for share in fact["shares"]
        ),
        _whole(fact["low"]),
        _whole(fact["high"]),
        tuple(str(value) for value in fact["values"]),
        tuple(_evidence(fact["evidence"])),
        str(fact["unknown"]),
    )


def _whole(number: Any) -> int | None:
    """A number of a fact, or that there is none. TypeError when it is anything else."""
    if number is not None and type(number) is not int:
        raise TypeError(number)
    return number


def _evidence(items: list[dict[str, Any]]) -> Iterator[Evidence]:
    for item in items:
        yield Evidence(
            tuple(_frame(f) for f in item["frames"]),
            str(item["note"]),
            str(item["client_filter"]),
            str(item["backend_filter"]),
        )
