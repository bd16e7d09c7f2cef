"""One experiment, from nothing to a recorded pair: build the world, start everything, capture,
play, stop, write the truth.

In: a balancer, a traffic, a directory. Out: `client.pcap`, `backend.pcap` (`backend2.pcap` with two
backends), `truth.json` and `logs/` there; for TLS also `keys.log`. Runs as process 1 of its own
namespaces (`confine`), so nothing of it can outlive it.
"""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from lbtrace.lab import truth as t
from lbtrace.lab.conntrack import translations
from lbtrace.lab.join import join, split_checks
from lbtrace.lab.plan import Balancer, Setup, Traffic
from lbtrace.lab.play import Play, make_certificate
from lbtrace.lab.world import (
    APP_PORT,
    BALANCER,
    FRONT,
    HOME,
    INSTANCE,
    INSTANCE_ADDRESS,
    LAPTOP,
    NODE,
    SECOND,
    SECOND_ADDRESS,
    Started,
    World,
)

BACKENDS = ((INSTANCE, INSTANCE_ADDRESS), (SECOND, SECOND_ADDRESS))
SETTLE_SECONDS = 0.3
CAPTURE_FLUSH_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the lab. `snaplen` as tcpdump's -s; `offload` leaves segmentation and
    checksum offload on.
    """

    balancer: Balancer
    traffic: Traffic
    directory: Path
    snaplen: int = 262144
    offload: bool = False
    explain: bool = False


def record(request: Request) -> None:
    """Play it and leave captures and truth in the directory."""
    logs = request.directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    world = World(
        logs,
        request.balancer.home_nat,
        request.offload,
        _say if request.explain else lambda _line: None,
    )
    world.build()
    world.say("\n# The backend.")
    setup = prepare(world, request)
    world.say(f"\n# The balancer: {request.balancer.summary}.")
    request.balancer.start(world, setup)
    world.say("\n# The captures.")
    captures = start_captures(world, request)
    world.say(f"\n# The traffic: {request.traffic.summary}.")
    checker = start_checker(world, request.traffic, logs)
    play = make_play(world, request, setup)
    request.traffic.play(play)
    time.sleep(SETTLE_SECONDS)
    if checker:
        checker.stop()
    time.sleep(CAPTURE_FLUSH_SECONDS)
    for capture in captures:
        capture.stop(signal.SIGINT)
    write_truth(world, request, setup, play)


def prepare(world: World, request: Request) -> Setup:
    """Start the backends; returns what the balancer is asked for."""
    traffic, balancer = request.traffic, request.balancer
    encrypted = "tls" in traffic.needs
    passed = encrypted and "http" not in balancer.features
    certificate = Path(make_certificate(world)[0]) if encrypted else None
    hosts = BACKENDS[: traffic.backends]
    for number, (host, address) in enumerate(hosts):
        if number == 0 and traffic.first_backend == "refuses":
            continue
        options = ["--idle", str(traffic.idle_seconds)]
        options += ["--fails"] if number == 0 and traffic.first_backend == "fails" else []
        options += ["--tls", str(certificate)] if passed else []
        log = str(world.directory / f"app-{host}.log")
        started = world.python(host, "lbtrace.lab.app", address, str(APP_PORT), log, *options)
        world.wait_for_port(host, address, APP_PORT, started)
    port = 443 if encrypted else 80
    return Setup(
        tuple((address, APP_PORT) for _, address in hosts),
        traffic.needs,
        world.directory,
        port,
        certificate,
    )


def start_captures(world: World, request: Request) -> list[Started]:
    """tcpdump on the laptop and on every backend."""
    files = ("backend.pcap", "backend2.pcap")
    captures = [world.capture(LAPTOP, request.directory / "client.pcap", request.snaplen)]
    for (host, _), name in zip(BACKENDS[: request.traffic.backends], files, strict=False):
        captures.append(world.capture(host, request.directory / name, request.snaplen))
    return captures


def start_checker(world: World, traffic: Traffic, logs: Path) -> Started | None:
    """The lab's own health checker, sent from the balancer's namespace, when the traffic has
    one.
    """
    if not traffic.check:
        return None
    arguments = (
        traffic.check,
        INSTANCE_ADDRESS,
        str(APP_PORT),
        str(traffic.check_seconds),
        NODE,
        str(logs / "check.log"),
    )
    return world.python(BALANCER, "lbtrace.lab.checker", *arguments)


def make_play(world: World, request: Request, setup: Setup) -> Play:
    """Where the client connects to, and how."""
    direct = request.balancer.front == "instance"
    play = Play(world, INSTANCE_ADDRESS if direct else FRONT, APP_PORT if direct else setup.port)
    if setup.certificate is not None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.keylog_filename = str(request.directory / "keys.log")
        play = replace(play, tls=context)
    return play


def write_truth(world: World, request: Request, setup: Setup, play: Play) -> None:
    """Join the logs."""
    logs = world.directory
    points = {address: number for number, (_, address) in enumerate(BACKENDS)}
    rows = [row for host, _ in BACKENDS for row in t.read_backend_log(logs / f"app-{host}.log")]
    rows.sort(key=lambda row: row["time_ns"])
    checker = t.read_check_log(logs / "check.log")
    traffic, checks = split_checks(
        rows,
        checker,
        points,
        "tcp-checks" in request.traffic.needs or request.traffic.check == "tcp",
    )
    seen_as = (
        {x.client: x.client_after for x in translations(HOME)} if request.balancer.home_nat else {}
    )
    clients = sorted(play.log, key=lambda line: line["time_ns"])
    requests, others = join(clients, seen_as, request.balancer.lines(world, setup), traffic, points)
    tls = (
        ""
        if setup.certificate is None
        else "terminated"
        if "http" in request.balancer.features
        else "passed"
    )
    complete = "tcp-checks" not in request.traffic.needs
    names = request.balancer.name, request.traffic.name, request.balancer.kind
    t.Truth(*names, tls, software(request.balancer), requests, others, checks, complete).write(
        request.directory / "truth.json"
    )


def software(balancer: Balancer) -> dict[str, str]:
    """The versions of what took part, as the programs state them."""
    commands: dict[str, tuple[str, ...]] = {
        "curl": ("curl", "--version"),
        "tcpdump": ("tcpdump", "--version"),
        "Linux": ("uname", "-r"),
    }
    if balancer.version:
        commands[balancer.version[0]] = balancer.version
    told = {}
    for program, command in commands.items():
        program = Path(program).name
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        words = done.stdout + done.stderr
        number = re.search(r"\d+\.\d+\.\d+", words) or re.search(
            r"\d+\.\d+", words
        )  # a path in it may hold "python3.11"
        told[program] = number[0] if number else "unknown"
    return told


def _say(line: str) -> None:
    print(line, flush=True)
