"""One experiment, from nothing to a recorded pair of captures: build the network, start everything,
capture, run the traffic, stop, write the ground truth.

In: a balancer, a traffic, a directory. Out: `client.pcap`, `backend.pcap` (`backend2.pcap` with two
backends), `truth.json` and `logs/` there; for TLS also `key_logs`. It runs as process 1 of its own
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

from lbtrace.lab import ground_truth as t
from lbtrace.lab import key_logs
from lbtrace.lab.addresses import APP_PORT, BALANCER, HOME, IPV4, LAPTOP, AddressPlan
from lbtrace.lab.clients import Clients, make_certificate
from lbtrace.lab.clocks import drift
from lbtrace.lab.conntrack import translations
from lbtrace.lab.join import join, split_checks
from lbtrace.lab.network import Network, Started
from lbtrace.lab.own import Configuration
from lbtrace.lab.plan import Balancer, Setup, Traffic
from lbtrace.model.net import Endpoint

SETTLE_SECONDS = 0.3
CAPTURE_FLUSH_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to record. `snaplen` as tcpdump's -s; `offload` leaves segmentation and checksum offload
    on; `commands` prints every step. `own`: a configuration of somebody's own, instead of the
    lab's; then there is no ground truth. `addresses`: those of all hosts.
    """

    balancer: Balancer
    traffic: Traffic
    directory: Path
    snaplen: int = 262144
    offload: bool = False
    commands: bool = False
    own: Configuration | None = None
    addresses: AddressPlan = IPV4

    @property
    def hosts(self) -> tuple[tuple[str, str], ...]:
        """The backends that take part: their hosts and addresses."""
        return self.addresses.backends[: self.traffic.backends]


def record(experiment: Experiment) -> None:
    """Run the experiment and leave captures and ground truth in the directory."""
    logs = experiment.directory / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    network = Network(
        logs,
        experiment.balancer.home_nat,
        experiment.offload,
        _say if experiment.commands else lambda _line: None,
        experiment.addresses,
    )
    network.build()
    network.say("\n# The backend.")
    setup = prepare(network, experiment)
    network.say(f"\n# The balancer: {experiment.balancer.summary}.")
    start_balancer(network, experiment, setup)
    network.say("\n# The captures.")
    captures = start_captures(network, experiment)
    network.say(f"\n# The traffic: {experiment.traffic.summary}.")
    checker = start_checker(network, experiment, logs)
    clients = make_clients(network, experiment, setup)
    experiment.traffic.run(clients)
    time.sleep(SETTLE_SECONDS)
    if checker:
        checker.stop()
    time.sleep(CAPTURE_FLUSH_SECONDS)
    for capture in captures:
        capture.stop(signal.SIGINT)
    for path in sorted(experiment.directory.glob("backend*.pcap")):
        if experiment.traffic.backend_gains_ppm:
            network.say(f"\n# The times of {path.name} are rewritten: its clock gains.")
            drift(path, experiment.traffic.backend_gains_ppm)
    if experiment.own is None:
        write_truth(network, experiment, setup, clients)
    if setup.keys is not None:
        for log in logs.glob(experiment.balancer.secrets_in or "-"):
            key_logs.take_out(log, setup.keys)
        key_logs.finish(experiment.directory)


def start_balancer(network: Network, experiment: Experiment, setup: Setup) -> None:
    """Start the balancer with its configuration, the lab's or somebody's own."""
    if experiment.own is None:
        experiment.balancer.start(network, setup)
        return
    assert experiment.balancer.own is not None
    experiment.balancer.own.start(network, setup, experiment.own)


def prepare(network: Network, experiment: Experiment) -> Setup:
    """Start the backends; return what the traffic asks of the balancer."""
    traffic, balancer = experiment.traffic, experiment.balancer
    certificate = keys = None
    if "tls" in traffic.needs:
        certificate = Path(make_certificate(network)[0])
        keys = key_logs.made(experiment.directory, key_logs.OF_BALANCER)
    reached = tls_of(balancer, traffic) in ("passed", "reencrypted")
    served = experiment.addresses.backends if traffic.service else experiment.hosts
    for number, (host, address) in enumerate(served):
        if number == 0 and traffic.first_backend == "refuses":
            continue
        options = ["--idle", str(traffic.idle_seconds)]
        options += ["--fails"] if number == 0 and traffic.first_backend == "fails" else []
        if traffic.first_backend in ("unaware", "demanded"):
            options += ["--proxy", traffic.first_backend]
        if reached:
            own_keys = key_logs.made(experiment.directory, key_logs.of_backend(number))
            options += ["--tls", str(certificate), "--keys", str(own_keys)]
        if experiment.own is not None:
            options += ["--below", experiment.own.path, "--answers-all"]
        log = str(network.directory / f"app-{host}.log")
        started = network.python(host, "lbtrace.lab.app", address, str(APP_PORT), log, *options)
        network.wait_for_port(host, Endpoint(address, APP_PORT), started)
    port = 80 if certificate is None else 443
    if experiment.own is not None:
        port = experiment.own.port
    return Setup(
        tuple(Endpoint(address, APP_PORT) for _, address in experiment.hosts),
        traffic.needs,
        network.directory,
        Endpoint(experiment.addresses.front, port),
        experiment.addresses,
        certificate,
        keys,
    )


def tls_of(balancer: Balancer, traffic: Traffic) -> str:
    """What becomes of the clients' TLS, as `ground_truth` calls it."""
    if "tls" not in traffic.needs:
        return ""
    if "http" not in balancer.features:
        return "passed"
    return "reencrypted" if "tls-behind" in traffic.needs else "terminated"


def start_captures(network: Network, experiment: Experiment) -> list[Started]:
    """Start tcpdump on the laptop and on every backend."""
    files = ("backend.pcap", "backend2.pcap")
    captures = [network.capture(LAPTOP, experiment.directory / "client.pcap", experiment.snaplen)]
    for (host, _), name in zip(experiment.hosts, files, strict=False):
        captures.append(network.capture(host, experiment.directory / name, experiment.snaplen))
    return captures


def start_checker(network: Network, experiment: Experiment, logs: Path) -> Started | None:
    """Start the lab's own health checker in the balancer's namespace, when the traffic wants it."""
    traffic, addresses = experiment.traffic, experiment.addresses
    if not traffic.check:
        return None
    arguments = (
        traffic.check,
        addresses.instance,
        str(APP_PORT),
        str(traffic.check_seconds),
        addresses.node,
        str(logs / "check.log"),
    )
    return network.python(BALANCER, "lbtrace.lab.health_checker", *arguments)


def make_clients(network: Network, experiment: Experiment, setup: Setup) -> Clients:
    """The clients, with the address they connect to and their TLS settings."""
    direct = experiment.balancer.front == "instance"
    instance = Endpoint(experiment.addresses.instance, APP_PORT)
    clients = Clients(network, instance if direct else setup.front)
    if setup.certificate is not None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.keylog_filename = str(key_logs.made(experiment.directory, key_logs.OF_CLIENT))
        clients = replace(clients, tls=context)
    if experiment.own is not None:
        clients = replace(
            clients, host=experiment.own.host or clients.host, below=experiment.own.path
        )
    return clients


def write_truth(network: Network, experiment: Experiment, setup: Setup, clients: Clients) -> None:
    """Join the logs and write truth.json."""
    logs = network.directory
    points = {address: number for number, (_, address) in enumerate(experiment.addresses.backends)}
    hosts = experiment.hosts
    rows = [row for host, _ in hosts for row in t.read_backend_log(logs / f"app-{host}.log")]
    rows.sort(key=lambda row: row["time_ns"])
    checker = t.read_check_log(logs / "check.log")
    traffic, checks = split_checks(
        rows,
        checker,
        points,
        "tcp-checks" in experiment.traffic.needs or experiment.traffic.check == "tcp",
    )
    seen_as = {x.client: x.client_after for x in translations(HOME)} if network.home_nat else {}
    log = sorted(clients.log, key=lambda line: line["time_ns"])
    requests, others = join(
        log,
        seen_as,
        experiment.balancer.lines(network, setup),
        traffic,
        points,
        hosts[-1][1] if setup.wants("mirror") else "",
    )
    complete = "tcp-checks" not in experiment.traffic.needs
    names = experiment.balancer.name, experiment.traffic.name, experiment.balancer.kind
    t.GroundTruth(
        *names,
        tls_of(experiment.balancer, experiment.traffic),
        software(experiment.balancer),
        requests,
        others,
        checks,
        complete,
        experiment.traffic.backend_gains_ppm,
    ).write(experiment.directory / "truth.json")


def software(balancer: Balancer) -> dict[str, str]:
    """The versions of the programs that took part, as they state them."""
    commands: dict[str, tuple[str, ...]] = {
        "curl": ("curl", "--version"),
        "tcpdump": ("tcpdump", "--version"),
        "Linux": ("uname", "-r"),
    }
    if balancer.version:
        commands[balancer.version[0]] = balancer.version
    versions = {}
    for program, command in commands.items():
        program = Path(program).name
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        words = done.stdout + done.stderr
        number = re.search(r"\d+\.\d+\.\d+", words) or re.search(
            r"\d+\.\d+", words
        )  # a path in it may hold "python3.11"
        versions[program] = number[0] if number else "unknown"
    return versions


def _say(line: str) -> None:
    print(line, flush=True)
