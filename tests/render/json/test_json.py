"""The JSON format: valid, specified, complete, one exchange per line."""

from __future__ import annotations

import dataclasses
import io
import json
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace import model as vocabulary
from lbtrace.model.http import (
    Application,
    Body,
    ClientHello,
    Exchange,
    Framing,
    HeaderLine,
    Interim,
    Mark,
    Mismatch,
    Protocol,
    ProxyHeader,
)
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    AttemptOutcome,
    ChangeKind,
    Confidence,
    ConnectionBasis,
    Pattern,
    UnpairedReason,
)
from lbtrace.model.report import CaptureAlone, CaptureReport, Kind, NotCaptured, Severity
from lbtrace.model.tls_alerts import TlsAlert
from lbtrace.render.json import _BATCH, _write
from tests.laws import examples
from tests.render import founding, json_tables
from tests.render.documents import check, names, text_of


def test_a_report_is_as_the_schema_says() -> None:
    check(json.loads(text_of(founding.report())))


def test_a_trace_is_as_the_schema_says() -> None:
    check(json.loads(text_of(founding.backend_trace())))


def test_the_shipped_schema_accepts_keys_of_later_versions() -> None:
    document = json.loads(text_of(founding.report()))
    document["a_later_key"] = 1
    jsonschema.Draft202012Validator(json_tables.schema()).validate(document)


def test_the_schema_names_every_value_of_every_enumeration() -> None:
    definitions = json_tables.schema()["$defs"]
    for enumeration, place in (
        (Kind, definitions["verdict"]["properties"]["kind"]),
        (Confidence, definitions["confidence"]),
        (Severity, definitions["finding"]["properties"]["severity"]),
        (UnpairedReason, definitions["unpaired"]["properties"]["reason"]),
        (
            AttemptOutcome,
            definitions["pair"]["properties"]["attempts"]["items"]["properties"]["outcome"],
        ),
        (ConnectionBasis, definitions["connection_pair"]["properties"]["basis"]),
        (ChangeKind, definitions["header_change"]["properties"]["kind"]),
        (Pattern, definitions["header_change"]["properties"]["behaviour"]),
        (Framing, definitions["body"]["properties"]["framing"]),
        (Mark, definitions["exchange"]["properties"]["marks"]["items"]),
    ):
        assert place["enum"] == [member.value for member in enumeration]


SOME_VALUES = {
    "client": "of the two protocols that did not fit, those that a port can expect",
    "server": "the same",
    "candidates": "the kinds that what was seen can fit; the others say that nothing does",
}


def lists_of_values(node: object, place: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every list of values in a schema, under the key that has it."""
    if isinstance(node, dict):
        if "enum" in node:
            yield place, {value for value in node["enum"] if value is not None}
        for key, below in node.items():
            named = key if key not in ("items", "properties") else place
            yield from lists_of_values(below, named)


def test_a_list_of_values_in_the_schema_leaves_none_out() -> None:
    """What belongs to one enumeration of the model is all of it."""
    enumerations = [
        {str(member) for member in found}
        for module in pkgutil.iter_modules(vocabulary.__path__)
        for found in vars(import_module(f"{vocabulary.__name__}.{module.name}")).values()
        if isinstance(found, type) and issubclass(found, StrEnum) and found is not StrEnum
    ]
    for place, values in lists_of_values(json_tables.schema()):
        if place in SOME_VALUES:
            continue
        larger = [all_ for all_ in enumerations if values < all_]
        assert values in enumerations or not larger, f"{place}: {values}"


def test_the_document_describes_every_key() -> None:
    document = json_tables.DOCUMENT.read_text("utf-8")
    assert json_tables.written(document) == document, "run python -m tests.render.json_tables"


def test_no_field_of_the_model_is_left_out() -> None:
    """A field added to the model has to be added to the format (and the schema), under its own
    name.
    """
    document = json.loads(text_of(founding.report()))
    capture = document["captures"][0]
    trace = founding.client_trace()
    request = trace.exchanges[0].request
    assert request is not None
    renamed = {
        "lines": "headers",
        "step": "refused",  # the sentence names it
        "value": "detail",  # likewise
        "requests": "evidence",  # those of a finding are kept with its fact
        "failed": "evidence",  # by those of a finding, problems are put together
        "schemes": "protocol",  # among what HTTP/2 says, where there is any
        "asked_nothing": "tls",  # part of it
        "answers_fin": "fin_ns",  # how to read it; the findings go by it
        "fin_unseen": "fin_ns",  # likewise
        "compared": "note",  # whether its messages only show what worked
    }
    for source, target in (
        (trace.connections[0]._fields, capture["connections"][0]),
        (trace.connections[0].from_client._fields, capture["connections"][0]["from_client"]),
        (trace.applications[0]._fields, capture["connections"][0]["application"]),
        (trace.exchanges[0]._fields, capture["exchanges"][0]),
        (request._fields, capture["exchanges"][0]["request"]),
        (request.body._fields, capture["exchanges"][0]["request"]["body"]),
        (names(trace.packets), capture["packets"]),
        (names(founding.report().verdict), document["verdict"]),
        (names(founding.report().findings[0]), document["findings"][0]),
        (names(founding.report().findings[0].evidence[0]), document["findings"][0]["evidence"][0]),
        (names(founding.report().correlation.clocks[0]), document["clocks"][0]),
        (names(founding.report().correlation.health_checks[0]), document["health_checks"][0]),
        (names(founding.report().correlation.topology), document["topology"]),
        (names(founding.report().latency), document["latency"]),
        (founding.report().correlation.pairs[0]._fields, document["pairs"][0]),
        (founding.report().correlation.unpaired[0]._fields, {**document["unpaired"][0], "ref": 0}),
    ):
        assert {renamed.get(name, name) for name in source} <= set(target)


def test_each_exchange_is_one_line() -> None:
    text = text_of(founding.client_trace())
    lines = text[text.index('"captures"') :].splitlines()
    mine = [json.loads(line.removeprefix(",")) for line in lines if '"ordinal":' in line]
    assert [e["request"]["target"] for e in mine] == [target for target, _ in founding.ASKED]


def test_one_capture_stands_beside_the_list_that_holds_it() -> None:
    document = json.loads(text_of(founding.client_trace()))
    (only,) = document["captures"]
    assert only.pop("not_captured") == document["not_captured"] == "other-side"
    assert only == document["capture"]


def test_several_captures_are_a_list() -> None:
    every = CaptureReport(
        (
            CaptureAlone(founding.client_trace()),
            CaptureAlone(
                dataclasses.replace(founding.backend_trace(), side=Side.CLIENT, point=1),
                not_captured=NotCaptured.IN_FRONT,
            ),
        )
    )
    document = json.loads(text_of(every))
    check(document)
    assert "capture" not in document
    assert [c["point"] for c in document["captures"]] == [0, 1]
    assert [c["not_captured"] for c in document["captures"]] == ["other-side", "in-front"]
    assert document["not_captured"] == "other-side"


def test_frames_of_a_rotated_capture_are_those_of_each_file() -> None:
    trace = founding.client_trace()
    trace = dataclasses.replace(
        trace, files=(founding.file("a.pcap", 20), founding.file("b.pcap", 21, first_frame=21))
    )
    exchanges = json.loads(text_of(trace))["capture"]["exchanges"]
    assert [(e["request"]["first_file"], e["request"]["first_frame"]) for e in exchanges] == [
        (0, 4),
        (0, 14),
        (1, 4),
        (1, 14),
    ]


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (HeaderLine("Host", "a", "Host: a"), ["Host", "a"]),
        (HeaderLine("Host", "a", "Host:a"), ["Host", "a", "Host:a"]),
        (HeaderLine("", "no colon", "no colon"), ["", "no colon", "no colon"]),
        (HeaderLine("X", '"quoted"', 'X: "quoted"'), ["X", '"quoted"']),
        (HeaderLine("X", "caf\xe9\x1b[2J", "X: caf\xe9\x1b[2J"), ["X", "caf\xe9\x1b[2J"]),
    ],
)
def test_header_lines_keep_what_was_sent(line: HeaderLine, written: list[str]) -> None:
    trace = founding.client_trace()
    request = trace.exchanges[0].request
    assert request is not None
    trace = dataclasses.replace(
        trace, exchanges=[trace.exchanges[0]._replace(request=request._replace(lines=(line,)))]
    )
    text = text_of(trace)
    assert text.isascii()
    assert json.loads(text)["capture"]["exchanges"][0]["request"]["headers"] == [written]


wire_text = st.text(st.characters(max_codepoint=0xFF), max_size=12)
header_lines = st.lists(st.builds(HeaderLine, wire_text, wire_text, wire_text), max_size=3).map(
    tuple
)
bodies = st.builds(
    Body,
    st.sampled_from(Framing),
    st.integers(0, 9),
    st.none() | st.integers(0, 9),
    st.booleans(),
    st.none() | wire_text,
)


@examples(60)
@given(
    st.lists(
        st.tuples(
            wire_text,
            wire_text,
            header_lines,
            bodies,
            st.lists(st.sampled_from(Mark), max_size=2).map(tuple),
        ),
        max_size=4,
    )
)
def test_whatever_the_wire_carried_comes_back_from_the_json(
    messages: list[tuple[Any, ...]],
) -> None:
    exchanges = []
    for number, (method, target, head, body, marks) in enumerate(messages):
        asked = founding.request(target, number + 1, number, head, method)._replace(
            body=body, trailers=head, marks=marks
        )
        exchanges.append(
            Exchange(number, 0, number + 1, asked, None, (Interim(100, head, 1, 2),), marks)
        )
    trace = dataclasses.replace(founding.client_trace(), exchanges=exchanges)
    document = json.loads(text_of(trace))
    check(document)
    for told, (method, target, head, body, marks) in zip(
        document["capture"]["exchanges"], messages, strict=True
    ):
        assert (told["request"]["method"], told["request"]["target"]) == (method, target)
        assert told["request"]["body"] == body._asdict()
        assert told["marks"] == told["request"]["marks"] == list(marks)
        for lines in (
            told["request"]["headers"],
            told["request"]["trailers"],
            told["interim"][0]["headers"],
        ):
            assert [(n, v, rest[0] if rest else f"{n}: {v}") for n, v, *rest in lines] == [
                tuple(line) for line in head
            ]


def test_what_a_connection_carried_is_told_in_full() -> None:
    proxy = ProxyHeader(
        2,
        "PROXY",
        "192.0.2.1:4000",
        "192.0.2.2:80",
        ((0xEA, "01"),),
        40,
        4,
        True,
        (("aws-vpc-endpoint", "vpce-1"),),
    )
    hello = ClientHello("00" * 32, "", "a.example", ("h2", "http/1.1"), (0x0304,), 5)
    alert = TlsAlert(False, 2, 112, 6, 0)
    mismatch = Mismatch(Protocol.TLS, Protocol.HTTP1, 7, 0)
    carried = Application(
        Protocol.TLS,
        proxy=(proxy,),
        tls=hello,
        reversed=True,
        alerts=(alert,),
        mismatch=mismatch,
    )
    trace = founding.client_trace()
    document = json.loads(
        text_of(dataclasses.replace(trace, applications=[carried, *trace.applications[1:]]))
    )
    check(document)
    told = document["capture"]["connections"][0]["application"]
    assert told["proxy"][0]["source"] == "192.0.2.1:4000"
    assert told["proxy"][0]["facts"] == [{"name": "aws-vpc-endpoint", "value": "vpce-1"}]
    assert (told["tls"]["server_name"], told["tls"]["first_frame"], told["reversed"]) == (
        "a.example",
        5,
        True,
    )
    assert told["alerts"] == [
        {
            "from_client": False,
            "level": 2,
            "description": 112,
            "name": "unrecognized_name",
            "first_frame": 6,
            "first_file": 0,
        }
    ]
    assert told["mismatch"] == {
        "client": "tls",
        "server": "http/1",
        "first_frame": 7,
        "first_file": 0,
    }
    for model, target in ((proxy, told["proxy"][0]), (hello, told["tls"])):
        assert {"first_frame" if name == "frame" else name for name in model._fields} <= set(target)
    assert set(names(trace.files[0])) - {"first_frame", "fingerprint"} <= set(
        document["capture"]["files"][0]
    )


@pytest.mark.parametrize("count", [1, _BATCH - 1, _BATCH, _BATCH + 1, 2 * _BATCH])
def test_the_last_line_ends_once_however_many_there_are(count: int) -> None:
    out = io.StringIO()
    lines = [str(n) for n in range(count)]
    _write(out, iter(lines))
    assert out.getvalue() == "\n".join(lines) + "\n"
