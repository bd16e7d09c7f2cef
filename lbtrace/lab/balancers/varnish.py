"""Varnish: a cache in front of the backend.

Its log (varnishncsa) names each request by the X-Request-Id it was given in VCL, which goes along
to the backend on a miss.
"""

from __future__ import annotations

import json

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

VCL = """
vcl 4.1;
import directors;
import std;
{backends}
sub vcl_init {{
  new targets = directors.round_robin();
{members}
}}
sub vcl_recv {{
  set req.http.X-Request-Id = "varnish-" + req.xid;
  set req.backend_hint = targets.backend();
  if (req.url == "/fixed") {{ return (synth(200, "fixed")); }}
  if (req.url ~ "^/old/") {{ return (synth(301, "/new/")); }}
  {prefix}
  {websocket}
  {cache}
}}
sub vcl_synth {{
  if (resp.status == 301) {{
    set resp.http.Location = resp.reason;
    set resp.reason = "Moved Permanently";
    return (deliver);
  }}
}}
sub vcl_pipe {{
  if (req.http.upgrade) {{
    set bereq.http.upgrade = req.http.upgrade;
    set bereq.http.connection = req.http.connection;
  }}
}}
sub vcl_backend_response {{
  {gzip}
  {kept}
}}
"""
FORMAT = (
    '{"client":"%{VSL:ReqStart[1]}x:%{VSL:ReqStart[2]}x","time":"%{%s}t","method":"%m","target":"%U%q","status":%s,'
    '"request_id":"varnish-%{Varnish:vxid}x","handling":"%{Varnish:handling}x"}'
)


def launch(network: Network, setup: Setup) -> None:
    """Start it."""
    probe = (
        '  .probe = { .url = "/health"; .interval = 1s; .timeout = 1s; .initial = 8; }'
        if setup.wants("checks")
        else ""
    )
    wait = "1s" if setup.wants("timeout") else "30s"
    backends = "\n".join(
        f'backend b{n} {{ .host = "{a}"; .port = "{p}"; .connect_timeout = 1s; '
        f".first_byte_timeout = {wait};\n{probe}\n}}"
        for n, (a, p) in enumerate(setup.backends)
    )
    text = VCL.format(
        backends=backends,
        members="\n".join(f"  targets.add_backend(b{n});" for n in range(len(setup.backends))),
        prefix=setup.given("prefix", 'set req.url = regsub(req.url, "^/api", "");'),
        websocket=setup.given(
            "websocket", 'if (req.http.upgrade ~ "(?i)websocket") { return (pipe); }'
        ),
        cache=""
        if setup.wants("cache")
        else "return (pass);"
        if not setup.wants("websocket")
        else "",
        gzip=setup.given(
            "gzip", 'if (beresp.http.content-type ~ "text") { set beresp.do_gzip = true; }'
        ),
        kept="" if setup.wants("cache") else "set beresp.uncacheable = true;",
    )
    path = network.configure("lab.vcl", text)
    work = setup.directory / "varnish"
    command = [
        "varnishd",
        "-F",
        "-j",
        "none",
        "-n",
        str(work),
        "-f",
        str(path),
        "-a",
        str(setup.front),
        "-s",
        "malloc,16m",
    ]
    started = network.start(BALANCER, [*command, "-T", "none"])
    network.wait_for_port(BALANCER, setup.front, started)


def lines(network: Network, setup: Setup) -> list[BalancerLine]:
    """The log in Varnish's shared memory, as varnishncsa prints it."""
    printed = network.run(
        BALANCER, ["varnishncsa", "-d", "-n", str(setup.directory / "varnish"), "-F", FORMAT]
    ).stdout
    found = []
    for row in map(json.loads, printed.splitlines()):
        asked = row["handling"] != "hit"
        time_ns = int(row["time"]) * 1_000_000_000
        name = row["request_id"] if asked else ""
        found.append(BalancerLine.logged(row, time_ns, name))
    return found


BALANCERS = (
    Balancer(
        "varnish",
        "Varnish",
        "l7-proxy",
        {"varnishd": "varnish", "varnishncsa": "varnish", "gcc": "gcc"},
        frozenset(
            {
                "http",
                "websocket",
                "timeout",
                "gzip",
                "prefix",
                "redirect",
                "fixed",
                "cache",
                "checks",
            }
        ),
        launch,
        lines,
        ("varnishd", "-V"),
    ),
)
