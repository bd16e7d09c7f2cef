"""A diff for programs: format "lbtrace-diff", version 1, described by
render/schema/lbtrace-diff-1.schema.json.
"""

from __future__ import annotations

from typing import TextIO

from lbtrace.behaviour import FactPair
from lbtrace.render import View
from lbtrace.render.diff import DiffResult
from lbtrace.render.json.behaviour import fact_object
from lbtrace.render.json.text import Json, write_document

SUMMARY = "everything, for programs"
FORMAT_VERSION = 1


def write(result: DiffResult, out: TextIO, view: View) -> None:
    """One fact per line."""
    head: Json = {"names": list(result.names), "undecided": list(result.undecided)}
    write_document(out, "lbtrace-diff", FORMAT_VERSION, head, "facts", map(_pair, result.facts))


def _pair(pair: FactPair) -> Json:
    return {
        "name": pair.name,
        "result": pair.result.name.lower(),
        "before": fact_object(pair.before),
        "after": fact_object(pair.after),
    }
