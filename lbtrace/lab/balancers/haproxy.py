"""HAProxy: HTTP with its four ways to reuse connections, TCP, and PROXY protocol v1 and v2.

Its log has the address it used towards the backend (%bi:%bp), and in HTTP mode a unique id that
went along as X-Request-Id.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.own.haproxy import OWN
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

CONFIGURATION = """
global
  log stdout len 8192 format raw local0 info
  maxconn 512
  nbthread 1
  {keylog}
defaults
  mode {mode}
  log global
  timeout connect 1s
  timeout client 30s
  timeout server {timeout}
  timeout tunnel 30s
  option redispatch 1
  retries 2
frontend front
  bind {front} {tls}
{frontend}
  default_backend targets
backend targets
{backend}
{servers}
"""
HTTP_LOG = (
    '{\\"client\\":\\"%ci:%cp\\",\\"time\\":\\"%Ts.%ms\\",\\"method\\":\\"%HM\\",\\"target\\":%{+Q}HU,\\"status\\":%ST,'
    '\\"request_id\\":\\"%ID\\",\\"from\\":\\"%bi:%bp\\",\\"server\\":\\"%si:%sp\\"}'
)
# of a connection with TLS 1.3, as in the description of tune.ssl.keylog
SECRETS = "".join(
    f"\\n{label} %[ssl_fc_client_random,hex] %[{sample}]"
    for label, sample in (
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "ssl_fc_client_handshake_traffic_secret"),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "ssl_fc_server_handshake_traffic_secret"),
        ("CLIENT_TRAFFIC_SECRET_0", "ssl_fc_client_traffic_secret_0"),
        ("SERVER_TRAFFIC_SECRET_0", "ssl_fc_server_traffic_secret_0"),
    )
)
TCP_LOG = (
    '{\\"client\\":\\"%ci:%cp\\",\\"time\\":\\"%Ts.%ms\\",\\"method\\":\\"\\",\\"target\\":\\"\\",\\"status\\":null,'
    '\\"request_id\\":\\"\\",\\"from\\":\\"%bi:%bp\\",\\"server\\":\\"%si:%sp\\"}'
)


def frontend_of(setup: Setup, mode: str) -> str:
    """The frontend's part of the configuration: TLS, and the requests it answers itself."""
    if mode == "tcp":
        return f'  log-format "{TCP_LOG}"'
    rows = [
        f'  log-format "{HTTP_LOG}{setup.given("tls", SECRETS)}"',
        "  option forwardfor",
        "  unique-id-format %[uuid()]",
        "  unique-id-header X-Request-Id",
        "  http-request redirect location /new/ code 301 if { path_beg /old/ }",
        '  http-request return status 200 content-type text/plain string "fixed\\n" if { path '
        "/fixed }",
        setup.given("prefix", "  http-request replace-path /api/(.*) /\\1"),
        setup.given("gzip", "  compression algo gzip\n  compression type text/plain"),
    ]
    return "\n".join(rows)


def backend_of(setup: Setup, mode: str, reuse: str) -> str:
    """How the backends are used."""
    if mode == "tcp":
        return "  option tcp-check" if setup.wants("tcp-checks") else ""
    rows = [
        f"  http-reuse {reuse}",
        setup.given("retry", "  retry-on 503 conn-failure empty-response\n  option redispatch 1"),
        setup.given("checks", "  option httpchk GET /health"),
    ]
    return "\n".join(rows)


def launcher(mode: str, reuse: str = "safe", server: str = "") -> Callable[[Network, Setup], None]:
    """A function that starts one of its variants."""

    def launch(network: Network, setup: Setup) -> None:
        checked = "check inter 1s" if setup.wants("checks") or setup.wants("tcp-checks") else ""
        behind = setup.given("tls-behind", "ssl verify none")
        terminated = mode == "http" and setup.wants("tls")
        text = CONFIGURATION.format(
            mode=mode,
            timeout="1s" if setup.wants("timeout") else "30s",
            front=setup.front,
            tls=f"ssl crt {setup.certificate} {setup.given('sni', 'strict-sni')}" * terminated,
            keylog="tune.ssl.keylog on" * terminated,
            frontend=frontend_of(setup, mode),
            backend=backend_of(setup, mode, reuse),
            servers="\n".join(
                f"  server s{n} {backend} {server} {behind} {checked}"
                for n, backend in enumerate(setup.backends)
            ),
        )
        configuration = network.configure("haproxy.cfg", text)
        started = network.start(BALANCER, ["haproxy", "-db", "-f", str(configuration)])
        network.wait_for_port(BALANCER, setup.front, started)

    return launch


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """Its log is its standard output."""
    found = []
    for log in setup.directory.glob("*-balancer-haproxy.log"):
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith('{"client"'):
                row = json.loads(line)
                server = "" if row["server"].startswith("-") else row["server"]
                from_ = "" if row["from"].startswith("-") else row["from"]
                time_ns = int(float(row["time"]) * 1000) * 1_000_000
                found.append(BalancerLine.logged(row, time_ns, row["request_id"], from_, server))
    return found


HTTP = frozenset(
    {
        "http",
        "tls",
        "tls-behind",
        "websocket",
        "retry",
        "timeout",
        "gzip",
        "prefix",
        "redirect",
        "fixed",
        "checks",
        "tcp-checks",
        "sni",
    }
)
TCP = frozenset({"tls", "websocket", "tcp-checks"})
PROGRAMS = {"haproxy": "haproxy"}
VERSION = ("haproxy", "-v")
BALANCERS = (
    *(
        Balancer(
            "haproxy" if reuse == "safe" else f"haproxy-{reuse}",
            f"HAProxy, http-reuse {reuse}" + (" (the default)" if reuse == "safe" else ""),
            "l7-proxy",
            PROGRAMS,
            HTTP,
            launcher("http", reuse),
            lines,
            VERSION,
            own=OWN if reuse == "safe" else None,
            secrets_in="*-balancer-haproxy.log",
        )
        for reuse in ("safe", "never", "aggressive", "always")
    ),
    Balancer(
        "haproxy-tcp",
        "HAProxy, mode tcp",
        "l4-proxy",
        PROGRAMS,
        TCP,
        launcher("tcp"),
        lines,
        VERSION,
    ),
    Balancer(
        "haproxy-proxy",
        "HAProxy, mode tcp, send-proxy (v1)",
        "l4-proxy",
        PROGRAMS,
        TCP | {"proxy-header"},
        launcher("tcp", server="send-proxy"),
        lines,
        VERSION,
    ),
    Balancer(
        "haproxy-proxy-v2",
        "HAProxy, mode tcp, send-proxy-v2",
        "l4-proxy",
        PROGRAMS,
        TCP | {"proxy-header"},
        launcher("tcp", server="send-proxy-v2"),
        lines,
        VERSION,
    ),
)
