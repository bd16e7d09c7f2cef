"""Apache httpd with mod_proxy and mod_proxy_balancer.

mod_unique_id names each request; the name goes along as X-Request-Id and into the access log.
"""

from __future__ import annotations

import json
from pathlib import Path

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import SCRATCH, Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup

MODULES = Path("/usr/lib/apache2/modules")
NEEDED = """
mpm_event authz_core unique_id headers setenvif log_config
proxy proxy_http proxy_wstunnel proxy_balancer lbmethod_byrequests slotmem_shm
alias rewrite filter deflate mime ssl socache_shmcb watchdog proxy_hcheck
"""
LOG_FORMAT = (
    '{\\"client\\":\\"%a:%{remote}p\\",\\"time\\":%{usec}t,\\"method\\":\\"%m\\",\\"target\\":\\"%U%q\\",'
    '\\"status\\":%>s,\\"request_id\\":\\"%{UNIQUE_ID}e\\",\\"server\\":\\"%{BALANCER_WORKER_NAME}e\\"}'
)
UPGRADE = """
RewriteEngine On
RewriteCond %{HTTP:Upgrade} websocket [NC]
"""
CONFIGURATION = """
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ErrorLog {directory}/apache-error.log
ServerName balancer
TypesConfig /dev/null
User www-data
Group www-data
{modules}
Listen {front} http
LogFormat "{format}" truth
CustomLog {directory}/access.log truth
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
ServerLimit 1
KeepAliveTimeout 60
ProxyTimeout {timeout}
{tls}
RequestHeader set X-Request-Id "%{{UNIQUE_ID}}e"
Redirect 301 /old/ /new/
{gzip}
<Proxy "balancer://targets">
{members}
{retry}
</Proxy>
ProxyPass /fixed !
{websocket}
{prefix}
ProxyPass / balancer://targets/
{fixed}
"""


def launch(network: Network, setup: Setup) -> None:
    """Start it."""
    modules = [m for m in NEEDED.split() if (MODULES / f"mod_{m}.so").exists()]
    checks = setup.given("checks", " hcmethod=GET hcuri=/health hcinterval=1")
    (SCRATCH / "fixed").write_text("fixed\n")
    upgrade = f'{UPGRADE}RewriteRule ^/(.*) "ws://{setup.backends[0]}/$1" [P,L]'
    text = CONFIGURATION.format(
        directory=setup.directory,
        modules="\n".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so" for m in modules),
        format=LOG_FORMAT,
        front=setup.front,
        timeout=1 if setup.wants("timeout") else 30,
        tls=setup.given(
            "tls", f"SSLEngine on\nSSLCertificateFile {setup.certificate}\nSSLSessionCache none"
        ),
        gzip=setup.given("gzip", "SetOutputFilter DEFLATE"),
        members="\n".join(
            f"  BalancerMember http://{backend} retry=0{checks}" for backend in setup.backends
        ),
        retry=setup.given("retry", "  ProxySet failonstatus=503"),
        websocket=setup.given("websocket", upgrade),
        prefix=setup.given("prefix", "ProxyPass /api/ balancer://targets/"),
        fixed=f"Alias /fixed {SCRATCH}/fixed\n<Location /fixed>\n  Require all "
        "granted\n</Location>",
    )
    configuration = network.configure("apache.conf", text)
    started = network.start(BALANCER, ["apache2", "-D", "FOREGROUND", "-f", str(configuration)])
    network.wait_for_port(BALANCER, setup.front, started)


def lines(_network: Network, setup: Setup) -> list[BalancerLine]:
    """The access log."""
    found = []
    for row in map(json.loads, (setup.directory / "access.log").read_text().splitlines()):
        server = row["server"].removeprefix("http://") if row["server"] != "-" else ""
        found.append(BalancerLine.logged(row, row["time"] * 1000, row["request_id"], server=server))
    return found


BALANCERS = (
    Balancer(
        "apache",
        "Apache httpd, mod_proxy",
        "l7-proxy",
        {"apache2": "apache2"},
        frozenset(
            {"http", "tls", "websocket", "timeout", "gzip", "prefix", "redirect", "fixed", "checks"}
        ),
        launch,
        lines,
        ("apache2", "-v"),
    ),
)
