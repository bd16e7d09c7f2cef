"""What HTTP/2 says beside its exchanges → one JSON object per connection (docs/json-format.md
specifies the keys).
"""

from __future__ import annotations

from collections import defaultdict

from lbtrace.http_fields.quoting import short
from lbtrace.model.http import Application
from lbtrace.model.http2 import ControlFrame, ControlKind, WindowStall, error_name, setting_name
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.text import Json, encode

_LISTED = 1000  # resets of a connection, and stalls


def http2(trace: Trace, frames: FrameWriter) -> dict[int, str]:
    """Connections that have control frames → their objects."""
    said: dict[int, list[ControlFrame]] = defaultdict(list)
    waited: dict[int, list[WindowStall]] = defaultdict(list)
    for frame in trace.control:
        said[frame.connection].append(frame)
    for stall in trace.stalls:
        waited[stall.connection].append(stall)
    return {
        number: encode(_object(own, waited[number], trace.applications[number], frames))
        for number, own in said.items()
    }


def _object(
    said: list[ControlFrame],
    waited: list[WindowStall],
    application: Application,
    frames: FrameWriter,
) -> Json:
    kinds: dict[int, list[ControlFrame]] = defaultdict(list)
    for frame in said:
        kinds[frame.kind].append(frame)
    pings = [f for f in kinds[ControlKind.PING] if not f.ack]
    resets = kinds[ControlKind.RST_STREAM]
    return {
        "settings": {
            end: [
                {"name": setting_name(f.code), "number": f.code, "value": f.value}
                for f in kinds[ControlKind.SETTINGS][:_LISTED]
                if f.from_client == from_client and f.code is not None
            ]
            for end, from_client in _ENDS
        },
        "pings": _counts(pings),
        "window_updates": _counts(kinds[ControlKind.WINDOW_UPDATE]),
        "reset_count": len(resets),
        "resets": [{**_error(f, frames), "stream_id": f.stream} for f in resets[:_LISTED]],
        "goaways": [
            {**_error(f, frames), "last_stream_id": f.value, "debug": short(f.text)}
            for f in kinds[ControlKind.GOAWAY][:_LISTED]
        ],
        "stalls": [_stall(stall, frames) for stall in waited[:_LISTED]],
        "schemes": list(map(short, application.schemes)),
    }


_ENDS = ("client", True), ("server", False)


def _counts(said: list[ControlFrame]) -> Json:
    return {end: len([f for f in said if f.from_client == which]) for end, which in _ENDS}


def _error(f: ControlFrame, frames: FrameWriter) -> dict[str, object]:
    """What RST_STREAM and GOAWAY have in common."""
    file, number = frames.split(f.frame)
    return {
        "from_client": f.from_client,
        "code": f.code,
        "name": "" if f.code is None else error_name(f.code),
        "first_frame": number,
        "first_file": file,
        "first_ns": f.time_ns,
    }


def _stall(stall: WindowStall, frames: FrameWriter) -> Json:
    (first_file, first), (last_file, last) = map(frames.split, (stall.frame, stall.end_frame))
    return {
        "from_client": stall.from_client,
        "stream_id": stall.stream,
        "first_frame": first,
        "first_file": first_file,
        "first_ns": stall.begin_ns,
        "last_frame": last,
        "last_file": last_file,
        "last_ns": stall.end_ns,
    }
