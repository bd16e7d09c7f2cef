"""What HTTP/2 says beside its exchanges, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from h2.settings import SettingCodes

from lbtrace.pipeline import show
from tests.findings.http2_talks import Http2Talk
from tests.render.documents import check, text_of
from tests.tcp.wire import Wire, pcap


def written(folder: Path, *wires: Wire) -> list[dict[str, Any]]:
    """The connections of a capture as the JSON has them."""
    path = folder / "capture.pcap"
    path.write_bytes(pcap(*wires))
    document = json.loads(text_of(show([[str(path)]])))
    check(document)
    connections: list[dict[str, Any]] = document["capture"]["connections"]
    return connections


def test_settings_resets_and_goaway(tmp_path: Path) -> None:
    talk = Http2Talk(settings={SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    talk.asks("/a")
    talk.resets(1)
    talk.client.ping(bytes(8))
    talk.said()
    talk.server.close_connection(11, b"too_many_pings", 1)
    talk.unheard(False)
    plain = Wire([], talk.wire.client._replace(port=1), talk.wire.server)
    plain.c("SYN", 5, at=talk.now + 1)
    first, other = written(tmp_path, talk.wire, plain)
    assert "http2" not in other
    said = first["http2"]
    assert {"name": "MAX_CONCURRENT_STREAMS", "number": 3, "value": 7} in said["settings"]["server"]
    assert said["pings"] == {"client": 1, "server": 0}
    (reset,) = said["resets"]
    assert (reset["name"], reset["stream_id"], reset["from_client"]) == ("CANCEL", 1, True)
    (goaway,) = said["goaways"]
    assert (goaway["name"], goaway["last_stream_id"]) == ("ENHANCE_YOUR_CALM", 1)
    assert (goaway["debug"], goaway["first_ns"]) == ("too_many_pings", talk.now)
    assert said["stalls"] == []
    assert said["schemes"] == ["http"]
