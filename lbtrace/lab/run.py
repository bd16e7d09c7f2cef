"""One experiment from outside: check that it can run here, then run it confined.

In: names. Out: a directory with `client.pcap`, `backend*.pcap`, `truth.json`, `logs/`, and for TLS
the `key_logs`. Every reason not to run is a LabError or OptionError in one line, raised before
anything is started.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lbtrace.errors import LabError
from lbtrace.lab.confine import require_linux_root, require_programs, run_confined
from lbtrace.lab.key_logs import OF_BALANCER, OF_CLIENT
from lbtrace.lab.plan import Balancer
from lbtrace.lab.registry import adapted, find_balancer, find_traffic, require_match
from lbtrace.lab.scratch import scratch_directory

ALWAYS = {"curl": "curl", "nft": "nftables"}
RESULTS = ("client.pcap", "backend.pcap", "backend2.pcap", "truth.json")

# The key log that a sample keeps, and what it is called there: `lbtrace demo` uses *.keys by itself
KEY_LOGS = {
    "alb-like-tls": (OF_CLIENT, OF_CLIENT),
    "envoy-tls": (OF_BALANCER, OF_BALANCER),
    "haproxy-tcp-tls": (OF_CLIENT, OF_CLIENT),
    "haproxy-tls": (OF_CLIENT, "keys.log"),
}

# The recorded pairs in samples/: folder → (balancer, traffic)
SAMPLES = {
    "alb-like": ("alb-like", "four-checked"),
    "alb-like-tls": ("alb-like", "four-tls-checked"),
    "nlb-like": ("nat", "four-tcp-checked"),
    "nlb-like-snat": ("snat", "four-checked"),
    "apache": ("apache", "prefix"),
    "caddy": ("caddy", "gzip"),
    "direct": ("direct", "four"),
    "envoy": ("envoy", "retry"),
    "envoy-tls": ("envoy", "tls-reencrypted"),
    "haproxy": ("haproxy", "forged"),
    "haproxy-proxy-v2": ("haproxy-proxy-v2", "four"),
    "haproxy-tcp": ("haproxy-tcp", "keep-alive"),
    "haproxy-tcp-tls": ("haproxy-tcp", "tls"),
    "haproxy-tls": ("haproxy", "tls"),
    "nginx": ("nginx", "keep-alive"),
    "nginx-concurrent": ("nginx", "concurrent-few"),
    "nginx-race": ("nginx", "keep-alive-race"),
    "nginx-retried-post": ("nginx", "retried-post"),
    "nginx-timeout": ("nginx", "timeout"),
    "nginx-websocket": ("nginx", "websocket"),
    "squid": ("squid", "keep-alive"),
    "varnish": ("varnish", "cache"),
}


def require_runnable(balancer: Balancer, encrypted: bool = False) -> None:
    """Raise LabError when this balancer cannot be run on this machine."""
    require_linux_root()
    require_programs(ALWAYS | balancer.programs | ({"openssl": "openssl"} if encrypted else {}))
    if reason := balancer.missing():
        raise LabError(
            "lab-balancer-missing",
            reason if reason.endswith(".") else f"{reason}.",
            "See: lbtrace lab list",
        )


class OwnConfiguration(NamedTuple):
    """A file with somebody's own configuration, and what to ask of it ("": as it suggests)."""

    file: Path
    host: str = ""
    below: str = ""


def require_experiment(
    balancer_name: str, traffic_name: str, own: OwnConfiguration | None = None
) -> str:
    """Raise LabError or OptionError when this experiment cannot be run here. Returns what there is
    to say of the own configuration in one line, "" without one.
    """
    balancer, traffic = find_balancer(balancer_name), find_traffic(traffic_name)
    require_match(balancer, traffic)
    said = "" if own is None else adapted(balancer, traffic, *own).said
    require_runnable(balancer, "tls" in traffic.needs)
    return said


def run(
    balancer_name: str,
    traffic_name: str,
    directory: Path,
    options: Sequence[str] = (),
    own: OwnConfiguration | None = None,
) -> None:
    """Record one experiment in `directory`, which must exist. `options` as for `python -m
    lbtrace.lab`.
    """
    require_experiment(balancer_name, traffic_name, own)
    arguments = [balancer_name, traffic_name, str(directory), *options]
    if own is not None:
        arguments += [f"--config={own.file}", f"--host={own.host}", f"--below={own.below}"]
    run_confined(arguments)


def record_sample(name: str, folder: Path) -> Path:
    """Record one of SAMPLES into `folder`/name. Replaces the captures and truth.json there, and
    nothing else. Returns that directory.
    """
    balancer, traffic = SAMPLES[name]
    target = folder / name
    with scratch_directory() as scratch:
        run(balancer, traffic, scratch)
        target.mkdir(parents=True, exist_ok=True)
        results = [(result, result) for result in RESULTS]
        results += [KEY_LOGS[name]] if name in KEY_LOGS else []
        for result, name_there in results:
            if (scratch / result).exists():
                shutil.copyfile(scratch / result, target / name_there)
    return target
