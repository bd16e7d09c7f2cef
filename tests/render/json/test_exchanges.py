"""What an exchange says beside its messages, as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from lbtrace.model.event_stream import EventStream
from tests.render import founding
from tests.render.documents import check, text_of


def test_event_streams_tell_how_many_events_came_and_the_longest_silence() -> None:
    streams = [EventStream(1, 7, 15_000_000_000), EventStream(2, None, None)]
    document = json.loads(text_of(replace(founding.client_trace(), event_streams=streams)))
    check(document)
    assert [e.get("events") for e in document["capture"]["exchanges"]] == [
        None,
        {"count": 7, "silence_ns": 15_000_000_000},
        {"count": None, "silence_ns": None},
        None,
    ]
