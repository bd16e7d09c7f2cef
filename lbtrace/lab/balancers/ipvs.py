"""IP Virtual Server, the kernel's own balancer, in NAT mode.

Its log is its connection table, which `ipvsadm -Lnc` prints.
"""

from __future__ import annotations

from pathlib import Path

from lbtrace.errors import LabError
from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.plan import Balancer, BalancerLine, Setup


def launch(network: Network, setup: Setup) -> None:
    """One virtual service, round robin, masquerading."""
    service = str(setup.front)
    commands = [
        ["-A", "-t", service, "-s", "rr"],
        *(["-a", "-t", service, "-r", str(backend), "-m"] for backend in setup.backends),
    ]
    for command in commands:
        done = network.run(BALANCER, ["ipvsadm", *command])
        if done.returncode != 0:
            raise LabError("lab-did-not-start", f"ipvsadm: {done.stderr.strip()}")


def lines(network: Network, setup: Setup) -> list[BalancerLine]:
    """Rows are: protocol, time left, state, client, virtual service, real server. NAT mode keeps
    the client's address.
    """
    found = []
    for row in network.run(BALANCER, ["ipvsadm", "-Lnc"]).stdout.splitlines():
        columns = row.split()
        if len(columns) == 6 and columns[0] == "TCP":
            found.append(BalancerLine(columns[3], 0, "", "", None, "", columns[3], columns[5]))
    return found


def missing() -> str:
    """Why it cannot run: many kernels do not have it."""
    if Path("/proc/net/ip_vs").exists():
        return ""
    return (
        "This kernel has no IPVS, or it is not loaded (sudo modprobe ip_vs). Try: lbtrace lab "
        "run nat"
    )


BALANCERS = (
    Balancer(
        "ipvs",
        "IPVS in NAT mode",
        "l4-passthrough",
        {"ipvsadm": "ipvsadm"},
        frozenset({"tls", "websocket"}),
        launch,
        lines,
        ("ipvsadm", "--version"),
        missing=missing,
    ),
)
