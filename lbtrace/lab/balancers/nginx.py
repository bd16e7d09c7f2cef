"""nginx as an HTTP reverse proxy, with and without keep-alive to the backend.

The access log gives each request the `$request_id` that went to the backend as X-Request-Id, so
both logs name the request alike.
"""

from __future__ import annotations

import json

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.own.nginx import OWN
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

CONFIGURATION = """
user root root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log notice;
events {{ worker_connections 1024; }}
http {{
  log_format truth escape=json
    '{{"time":$msec,"client":"{client}","method":"$request_method",'
    '"target":"$request_uri","status":"$status","server":"$upstream_addr",'
    '"request_id":"{request_id}"}}';
  access_log {directory}/access.log truth;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_timeout 60s;
{maps}
{cache}
  upstream targets {{
{servers}
    {keepalive}
  }}
  map $http_upgrade $upgrading {{ default upgrade; '' ''; }}
  server {{
    listen {front} default_server {tls} {http2} {proxied};
    {certificate}
    {gzip}
    location = /fixed {{ default_type text/plain; return 200 "fixed\\n"; }}
    location /old/ {{ return 301 /new/; }}
    {mirrored}
    location / {{
      {mirror}
      proxy_pass {scheme}://targets{path};
{location}
      {version}
      {options}
    }}
  }}
}}
"""
STATED = "$proxy_protocol_addr:$proxy_protocol_port"
# a copy has the request id of its original, so both logs name it alike
MIRRORED = """
    location = /mirrored {{
      internal;
      proxy_pass {scheme}://{shadow}$request_uri;
{location}
    }}
"""
LOCATION = """
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $host;
"""
FEATURES = frozenset(
    {"http", "tls", "websocket", "retry", "timeout", "gzip", "prefix", "redirect", "fixed", "cache"}
    | {"mirror", "http2", "tls-behind"}
)


def launch(
    network: Network,
    setup: Setup,
    maps: str = "",
    location: str = LOCATION,
    request_id: str = "$request_id",
    keep: bool = True,
    behind_proxy: bool = False,
) -> None:
    """Write the configuration and start nginx with it. `behind_proxy`: each connection begins with
    a PROXY header, which names the client.
    """
    prefix = "rewrite ^/api/(.*)$ /$1 break;"
    options = [
        setup.given("retry", "proxy_next_upstream error timeout http_503 non_idempotent;"),
        setup.given("timeout", "proxy_read_timeout 1s;"),
        setup.given("cache", "proxy_cache kept; add_header X-Cache-Status $upstream_cache_status;"),
        setup.given("prefix", prefix),
        setup.given(
            "websocket",
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrading;",
        ),
    ]
    if keep and not setup.wants("websocket") and "Connection" not in location:
        options.append('proxy_set_header Connection "";')
    copies, scheme = setup.wants("mirror"), setup.given("tls-behind", "https", "http")
    mirrored = MIRRORED.format(scheme=scheme, shadow=setup.backends[-1], location=location)
    text = CONFIGURATION.format(
        directory=setup.directory,
        request_id=request_id,
        maps=maps,
        cache=setup.given("cache", f"proxy_cache_path {setup.directory}/cache keys_zone=kept:1m;"),
        servers="\n".join(
            f"    server {backend} max_fails=0;"
            for backend in setup.backends[: 1 if copies else None]
        ),
        mirror="mirror /mirrored;" if copies else "",
        mirrored=mirrored if copies else "",
        http2="http2" if setup.wants("http2") else "",
        keepalive="keepalive 32;" if keep else "",
        front=setup.front,
        proxied="proxy_protocol" if behind_proxy else "",
        client=STATED if behind_proxy else "$remote_addr:$remote_port",
        tls="ssl" if setup.wants("tls") else "",
        certificate=setup.given(
            "tls", f"ssl_certificate {setup.certificate}; ssl_certificate_key {setup.certificate};"
        ),
        gzip=setup.given(
            "gzip", "gzip on; gzip_types text/plain text/event-stream; gzip_min_length 100;"
        ),
        scheme=scheme,
        path="",
        location=location,
        version="proxy_http_version 1.1;" if keep or setup.wants("websocket") else "",
        options="\n      ".join(o for o in options if o),
    )
    configuration = network.configure("nginx.conf", text)
    started = network.start(
        BALANCER,
        ["nginx", "-e", str(setup.directory / "nginx-start.log"), "-c", str(configuration)],
    )
    network.wait_for_port(BALANCER, setup.front, started)


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """The access log. `$upstream_addr` lists every attempt; the last is enough, because the
    application's log has all of them by request id.
    """
    found = []
    for row in map(json.loads, (setup.directory / "access.log").read_text().splitlines()):
        server = row["server"].split(",")[-1].strip()
        time_ns = int(row["time"] * 1000) * 1_000_000
        found.append(BalancerLine.logged(row, time_ns, row["request_id"], server=server))
    return found


BALANCERS = (
    Balancer(
        "nginx",
        "nginx, keep-alive to the backend",
        "l7-proxy",
        {"nginx": "nginx"},
        FEATURES,
        launch,
        lines,
        ("nginx", "-v"),
        own=OWN,
    ),
    Balancer(
        "nginx-close",
        "nginx as it comes: HTTP/1.0, a connection for each request",
        "l7-proxy",
        {"nginx": "nginx"},
        FEATURES,
        lambda network, setup: launch(network, setup, keep=False),
        lines,
        ("nginx", "-v"),
    ),
)
