"""What an experiment is made of: a Balancer and a Traffic, one file each, and the Setup that the
traffic asks of the balancer.

A new balancer is a file in `balancers/` that lists its `Balancer`s in `BALANCERS`; a new traffic is
a file in `traffic/` with `TRAFFICS`. `registry` finds them. A traffic `needs` features (the table
below); a balancer that does not list one of them cannot run that traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lbtrace.lab.addresses import IPV4, AddressPlan, spelt
from lbtrace.model.net import Endpoint

if TYPE_CHECKING:
    from lbtrace.lab.clients import Clients
    from lbtrace.lab.network import Network
    from lbtrace.lab.own import Own

FEATURES = {
    "http": "reads HTTP: sends each request to a backend it chooses",
    "tls": "TLS on port 443 towards the client (ended there, or passed through to the backend)",
    "tls-behind": "TLS of its own towards the backend",
    "websocket": "passes Upgrade: websocket on",
    "retry": "tries another backend after a failure",
    "timeout": "gives up on a backend after one second",
    "gzip": "compresses responses",
    "prefix": "strips /api from the path",
    "redirect": "answers /old with a redirect by itself",
    "fixed": "answers /fixed by itself",
    "cache": "keeps cacheable responses and answers from them",
    "checks": "sends GET /health by itself, every second",
    "tcp-checks": "connects by itself to see whether the backend listens, every second",
    "mirror": "copies each request to the second backend, and drops what that answers",
    "http2": "HTTP/2 without TLS towards the client",
    "proxy-header": "sends a PROXY header to the backend",
    "sni": "refuses a TLS client that names no server, or one that it has no certificate for",
    "direct": "is no balancer at all",
}


class BalancerLine(NamedTuple):
    """A line of a balancer's own log: one request, or one connection (with method "") when it does
    not read HTTP.

    `client` is the client's "address:port" as the balancer sees it. `request_id` is the id it gave
    the request ("": none). `from_` is its own "address:port" towards the backend ("": not logged).
    `server` is the backend ("": it asked none). `spelt` writes all three as the other logs do.
    """

    client: str
    time_ns: int
    method: str
    target: str
    status: int | None
    request_id: str
    from_: str
    server: str

    def spelt(self) -> BalancerLine:
        """The same line, with its addresses in the spelling of `addresses.spelt`."""
        return self._replace(
            client=spelt(self.client), from_=spelt(self.from_), server=spelt(self.server)
        )

    @classmethod
    def logged(
        cls,
        row: Mapping[str, Any],
        time_ns: int,
        request_id: str = "",
        from_: str = "",
        server: str = "",
    ) -> BalancerLine:
        """A row of a log whose format we wrote: client, method, target and status have these names
        in each. A status of 0, below 0 or null stands for none.
        """
        status = int(row["status"] or 0)
        return cls(
            row["client"],
            time_ns,
            row["method"] or "",
            row["target"] or "",
            status if status > 0 else None,
            request_id,
            from_,
            server,
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """What the experiment asks of the balancer: to listen on `front`, and to ask `backends` (in a
    text, an IPv6 address has brackets). Configuration and logs go to `directory`; the file
    `certificate` holds key and certificate; a balancer that can appends its TLS secrets to `keys`.
    """

    backends: tuple[Endpoint, ...]
    features: frozenset[str]
    directory: Path
    front: Endpoint
    addresses: AddressPlan = IPV4
    certificate: Path | None = None
    keys: Path | None = None

    def wants(self, feature: str) -> bool:
        """Whether the traffic needs this feature switched on."""
        return feature in self.features

    def given(self, feature: str, text: str, otherwise: str = "") -> str:
        """`text` if the traffic needs the feature, else `otherwise`; for writing configurations."""
        return text if feature in self.features else otherwise


@dataclass(frozen=True, slots=True)
class Balancer:
    """One way to run one product.

    `kind` is the right verdict, by construction. `programs` maps programs to Debian packages.
    `start` starts it in the balancer's namespace and returns once it listens. `lines` reads its own
    log after the traffic. `home_nat` False: the home router does not translate addresses. `own`:
    how it takes a configuration of somebody's own. `secrets_in`: its logs that have TLS secrets
    among other lines, as a pattern of their names.
    """

    name: str
    summary: str
    kind: str
    programs: dict[str, str]
    features: frozenset[str]
    start: Callable[[Network, Setup], None]
    lines: Callable[[Network, Setup], list[BalancerLine]]
    version: tuple[str, ...] = ()
    home_nat: bool = True
    front: str = "balancer"  # "instance": the client connects to the backend itself
    missing: Callable[[], str] = field(default=lambda: "")  # why it cannot run here, "" when it can
    own: Own | None = None
    secrets_in: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """One way to use a balancer. `run` sends the requests; `idle_seconds` is the keep-alive timeout
    of the backends.
    """

    name: str
    summary: str
    run: Callable[[Clients], None]
    needs: frozenset[str] = frozenset()
    backends: int = 1
    idle_seconds: float = 75.0
    # or "refuses" (does not listen), "fails" (answers /flaky with 503); of all backends, "unaware"
    # (takes a PROXY header for a request) and "demanded" (closes without a PROXY header)
    first_backend: str = "well"
    check: str = ""  # the lab's own health checker meanwhile: "", "http", "tcp"
    check_seconds: float = 1.0
    service: bool = False  # the second backend runs, and the balancer does not know it
    # the times of the backend captures are rewritten, as by a clock that gains so many millionths
    backend_gains_ppm: int = 0
