"""Results as pages and as JSON documents, and what every document must satisfy."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import jsonschema

from lbtrace.model.report import CaptureAlone, CaptureReport, Report
from lbtrace.model.trace import Trace
from lbtrace.render import Detail, View, get_format
from tests.render import founding, json_tables


def text_of(result: Report | CaptureReport | Trace) -> str:
    """The JSON of a result, with whatever stands in it (`test_masked` is about credentials)."""
    out, view = io.StringIO(), View(show_secrets=True)
    if isinstance(result, Report):
        get_format("json").write_report(result, out, view)
    else:
        get_format("json").write_trace(alone(result), out, view)
    return out.getvalue()


def alone(result: CaptureReport | Trace) -> CaptureReport:
    """A trace of which nothing is told, or what is told of it."""
    return result if isinstance(result, CaptureReport) else CaptureReport((CaptureAlone(result),))


def strict_schema(document: str) -> dict[str, Any]:
    """The shipped schema, for one kind of document, with every key that it does not name
    forbidden.
    """

    def close(node: object) -> None:
        for value in (
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        ):
            close(value)
        if isinstance(node, dict) and node.get("type") == "object":
            node["additionalProperties"] = False

    schema = json_tables.schema()
    close(schema)
    schema["oneOf"] = [{"$ref": f"#/$defs/{document}"}]
    return schema


def check(document: dict[str, Any]) -> None:
    """The document has every key of the schema and no other."""
    jsonschema.Draft202012Validator(
        strict_schema(document["format"].removeprefix("lbtrace-"))
    ).validate(document)


def names(instance: object) -> list[str]:
    """The fields of a dataclass."""
    assert dataclasses.is_dataclass(instance)
    return [f.name for f in dataclasses.fields(instance)]


def page(
    result: Report | CaptureReport | Trace | None = None,
    detail: Detail = Detail.REASONS,
    **view: Any,
) -> str:
    """The page of a result, the founding experiment without one; with all its sections, if no
    `detail` is asked for.
    """
    out = io.StringIO()
    result = result or founding.report()
    shape = View(detail=detail, **view)
    if isinstance(result, Report):
        get_format("terminal").write_report(result, out, shape)
    else:
        get_format("terminal").write_trace(alone(result), out, shape)
    return out.getvalue()


def squeezed(text: str) -> str:
    """The text with one blank wherever it has some, or a line end."""
    return " ".join(text.split())
