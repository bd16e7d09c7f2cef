"""an Application Load Balancer as AWS documents it (nginx).

What is imitated (Elastic Load Balancing user guides): HTTP/1.1 with keep-alive to the target, many
clients over one connection; `X-Forwarded-For` appended, `X-Forwarded-Proto` and `-Port` set,
`X-Amzn-Trace-Id` made or continued (`Root=1-<epoch>-<24 digits>`); Host lower-cased and without the
listener's port 80; the target's `Server` and `Date` passed on; no header added to responses. What
is not: everything else. It is nginx, and its access log is the truth.

nginx cannot write hexadecimal, so the map from the second to its hex form is written out for the
next ten minutes.
"""

from __future__ import annotations

import time

from lbtrace.lab.balancers import nginx
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, Setup

MAPS = """
  map $msec $epoch {{
{epochs}
  }}
  map $request_id $random {{ "~^(?<hex24>.{{24}})" $hex24; }}
  map $http_x_amzn_trace_id $trace {{
    default "Root=1-$epoch-$random";
    "~(?<root>Root=.*)$" "Self=1-$epoch-$random;$root";
  }}
"""
LOCATION = """
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header Host $host;
      proxy_set_header X-Amzn-Trace-Id $trace;
      proxy_set_header Connection "";
      proxy_pass_header Server;
      proxy_pass_header Date;
"""


def start(network: Network, setup: Setup) -> None:
    """Start it; the access log names each request by its trace id."""
    now = int(time.time()) - 2
    epochs = "\n".join(f'    "~^{second}" {second:08x};' for second in range(now, now + 600))
    nginx.launch(
        network, setup, maps=MAPS.format(epochs=epochs), location=LOCATION, request_id="$trace"
    )


BALANCERS = (
    Balancer(
        "alb-like",
        "an Application Load Balancer as AWS documents it (nginx)",
        "l7-proxy",
        {"nginx": "nginx"},
        frozenset({"http", "tls", "tls-behind", "redirect", "fixed", "timeout"}),
        start,
        nginx.lines,
        ("nginx", "-v"),
    ),
)
