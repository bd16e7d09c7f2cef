"""What really happened, from the logs of the programs that did it: `truth.json` beside a recorded
pair of captures.

An IPv6 address has brackets before its port: "[2001:db8:5::5]:40312".

Nothing here is read from packets, and nothing comes from lbtrace. There are three sources: the
client's own log (its port, what it asked, what it got), the balancer's own log (for a NAT, the
connection tracking table), and the backend application's own log. `join` joins them.

The file is one JSON object:

    {
      "format": "lbtrace-lab-truth", "version": 1,
      "balancer": "nginx", "traffic": "four",
      "kind": "l7-proxy",          what stands between, by construction: a lbtrace.model.report.Kind
      "tls": "",                   "terminated" by the balancer, "reencrypted" (it speaks TLS of its
                                   own to the backend), "passed" through it, "": no TLS
      "software": {"nginx": "1.22.1"},
      "requests": [                every request of a captured client, in order of time
        {
          "client": "192.168.0.5:40312",   its connection as the client sees it (before any NAT)
          "server": "3.35.166.21:80",      where it connected to
          "ordinal": 1,                    first, second, … request of that connection
          "method": "GET", "target": "/divide/25",
          "time_ns": 1763833000123456789,  when it was sent, roughly, by the clock of the captures
          "status": 200,                   what the client got; null: nothing
          "answered_by": "backend",        or "balancer", or "nobody"
          "attempts": [                    backend exchanges it caused, from the backend's log
            {"client": "172.31.42.119:52000", "server": "172.31.11.95:8080",
             "point": 0,                   the backend capture it is in
             "ordinal": 1, "time_ns": …, "status": 200,
             "copy": false}                true: of a mirror; nobody gets what it is answered
          ]
        }
      ],
      "others": [ … ],             backend exchanges, as in "attempts", of clients not captured
      "gained_ppm": 0,             the times of the backend captures were rewritten, as by a clock
                                   that gains so many millionths from their first packet on
      "checks_complete": true,     false: the balancer may reset its TCP checks before the backend
                                   accepts and logs them
      "checks": [                  health checks, from the checker's own log or the backend's
        {"client": "172.31.42.119:41000", "server": "172.31.11.95:8080", "point": 0,
         "kind": "http", "time_ns": …, "status": 200}
      ]
    }
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

FORMAT = "lbtrace-lab-truth"
VERSION = 1


class BackendLine(TypedDict):
    """A line of the application's log. Addresses are "address:port" of the connection as the
    backend sees it.
    """

    time_ns: int
    peer: str
    local: str
    ordinal: int
    method: str
    target: str
    status: int | None  # None: the connection ended without an answer
    user_agent: str
    request_ids: list[str]
    proxied: str | None


class ClientLine(TypedDict):
    """A line of the client's log: `local` and `remote` are "address:port" of its own connection."""

    time_ns: int
    local: str
    remote: str
    ordinal: int
    method: str
    target: str
    status: int | None


class CheckLine(TypedDict):
    """A line of the checker's log: `local` is the balancer's end, `peer` the backend's."""

    time_ns: int
    end_ns: int
    kind: str
    local: str
    peer: str
    status: int | None


@dataclass(frozen=True, slots=True)
class TrueAttempt:
    """A backend exchange, as the backend logged it."""

    client: str
    server: str
    point: int
    ordinal: int
    time_ns: int
    status: int | None
    copy: bool = False


@dataclass(frozen=True, slots=True)
class TrueRequest:
    """A request of a captured client, and its result."""

    client: str
    server: str
    ordinal: int
    method: str
    target: str
    time_ns: int
    status: int | None
    answered_by: str
    attempts: tuple[TrueAttempt, ...]


@dataclass(frozen=True, slots=True)
class TrueCheck:
    """A health check, as the checker logged it."""

    client: str
    server: str
    point: int
    kind: str
    time_ns: int
    status: int | None


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The whole of `truth.json`."""

    balancer: str
    traffic: str
    kind: str
    tls: str
    software: dict[str, str]
    requests: tuple[TrueRequest, ...]
    others: tuple[TrueAttempt, ...] = ()
    checks: tuple[TrueCheck, ...] = ()
    checks_complete: bool = True
    gained_ppm: int = 0

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(
            json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1) + "\n",
            encoding="utf-8",
        )

    @classmethod
    def read(cls, path: Path) -> GroundTruth:
        """Read what `write` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        if (data.pop("format"), data.pop("version")) != (FORMAT, VERSION):
            raise ValueError(f"{path} is not {FORMAT} {VERSION}")
        data["requests"] = tuple(
            TrueRequest(**{**r, "attempts": tuple(TrueAttempt(**a) for a in r["attempts"])})
            for r in data["requests"]
        )
        data["others"] = tuple(TrueAttempt(**a) for a in data["others"])
        data["checks"] = tuple(TrueCheck(**c) for c in data["checks"])
        return cls(**data)


def read_backend_log(path: Path) -> list[BackendLine]:
    """The application's log, in time order."""
    lines: list[BackendLine] = [json.loads(line) for line in _lines(path)]
    return sorted(lines, key=lambda line: line["time_ns"])


def read_check_log(path: Path) -> list[CheckLine]:
    """The checker's log, in time order."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> Iterable[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
