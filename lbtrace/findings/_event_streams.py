"""Which responses are streams of server-sent events (HTML, §9.2)."""

from __future__ import annotations

import numpy as np

from lbtrace.http_fields import CONTENT_TYPE
from lbtrace.http_fields.content import is_event_stream
from lbtrace.tables.columns import Column
from lbtrace.tables.messages import Messages
from lbtrace.tables.words import Words


def event_streams(words: Words, responses: Messages) -> Column:
    """Which of these responses have the Content-Type of an event stream."""
    events = words.fields_named(CONTENT_TYPE.__eq__)
    for line in np.flatnonzero(events).tolist():
        events[line] = is_event_stream(words.line_list[line].value)
    return responses.heads.having(events)
