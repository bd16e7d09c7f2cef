"""A diff for programs: format "lbtrace-diff", version 1, described by
render/schema/lbtrace-diff-1.schema.json.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace._version import __version__
from lbtrace.render import View
from lbtrace.render.diff import DiffResult
from lbtrace.render.json.behaviour import fact_object
from lbtrace.render.json.text import encode

SUMMARY = "everything, for programs"
FORMAT_VERSION = 1


def write(result: DiffResult, out: TextIO, view: View) -> None:
    """One fact per line."""
    head = {
        "format": "lbtrace-diff",
        "format_version": FORMAT_VERSION,
        "lbtrace_version": __version__,
        "names": list(result.names),
        "undecided": list(result.undecided),
    }
    out.write(encode(head)[:-1] + ',"facts":[\n')
    before = ""
    for pair in result.facts:
        fact = {
            "name": pair.name,
            "result": pair.result.name.lower(),
            "before": fact_object(pair.before),
            "after": fact_object(pair.after),
        }
        out.write(before + encode(fact) + "\n")
        before = ","
    out.write("]}\n")
