"""The network an experiment runs in: hosts are network namespaces, links are veth pairs.

    laptop 192.168.0.5
       │
    home (NAT) 1.240.235.98          office 203.0.113.7
       │                                │
    internet ───────────────────────────┘
       │
    3.35.166.21 balancer 172.31.42.119
                            │
                           vpc ─── 172.31.11.95 instance
                            └───── 172.31.22.80 second

The addresses are those of the founding experiment. Captures are taken on the laptop's and on the
instance's own interface, so the two sides are what tcpdump shows on those two machines. This must
run inside `confine`: the names of namespaces are private there. Over IPv6 (`addresses`) every host
has an IPv6 address and no other, and the home router translates nothing.

Segmentation offload is off on every interface and checksums are computed, so packets are what a
wire would carry. `offload=True` leaves both on, as on most real machines: the capture then holds
packets larger than the MTU and unfinished checksums.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from lbtrace.errors import LabError
from lbtrace.lab.addresses import BALANCER, HOME, INTERNET, IPV4, LINKS, VPC, AddressPlan
from lbtrace.lab.scratch import private_file
from lbtrace.model.net import Endpoint

ROUTERS = (HOME, INTERNET, BALANCER, VPC)
HOSTS = sorted({link[0] for link in LINKS} | {link[2] for link in LINKS})
HOME_NAT = """
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "wan" masquerade
  }
}
"""

SHOWN_ROWS = 90  # of a configuration, when it is shown
SCRATCH = Path("/run/lab")  # in the private /run: for programs that insist on giving up root

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000  # sys/mount.h
SIOCETHTOOL = 0x8946
# ethtool commands that switch something: linux/ethtool.h
OFFLOADS_OFF = (0x00000017, 0x0000001F, 0x00000024, 0x0000002C)  # tx checksums, TSO, GSO, GRO


@dataclass
class Started:
    """A process the experiment started, and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, signal_number: int = signal.SIGTERM, seconds: float = 3.0) -> int:
        """End it, by its id; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Network:
    """The hosts and links above. Logs and configurations go to `directory`; `say` is called with
    every step (for --commands).
    """

    def __init__(
        self,
        directory: Path,
        home_nat: bool = True,
        offload: bool = False,
        say: Callable[[str], None] = lambda _line: None,
        addresses: AddressPlan = IPV4,
    ) -> None:
        self.directory = directory
        self.addresses = addresses
        self.home_nat = home_nat and addresses.version == 4
        self.offload = offload
        self.say = say
        self.started: list[Started] = []
        self._counter = 0

    def build(self) -> None:
        """Make the namespaces, links, addresses, routes and the home router's NAT."""
        _mount_private()
        self.say("# The network: hosts are network namespaces, links are veth pairs.")
        self.ip("", [f"netns add {host}" for host in HOSTS])
        self.ip(
            "",
            [
                f"link add {ia} netns {a} type veth peer name {ib} netns {b}"
                for a, ia, b, ib in LINKS
            ],
        )
        for host in HOSTS:
            if self.addresses.version == 6:
                self._at_once(host)
            commands = ["link set lo up"]
            for interface, address in self._interfaces(host):
                commands += [f"addr add {address} dev {interface}", f"link set {interface} up"]
            self.ip(host, commands)
        self._route()
        if not self.offload:
            for host in HOSTS:
                with inside(host):
                    for interface, _ in self._interfaces(host):
                        _offloads_off(interface)

    def _route(self) -> None:
        """Routes, forwarding, and the home router's NAT or the way around it."""
        for host in HOSTS:
            routes = self.addresses.routes
            self.ip(host, [f"route add {to} via {via}" for name, to, via in routes if name == host])
        for host in ROUTERS:
            with inside(host):
                Path(self.addresses.forwarding).write_text("1")
        if self.home_nat:
            self.nft(HOME, HOME_NAT)
        else:
            past_home = self.addresses.past_home
            self.ip(INTERNET, [f"route add {to} via {via}" for to, via in past_home])

    def _interfaces(self, host: str) -> Iterator[tuple[str, str]]:
        """The interfaces of a host with their addresses."""
        for (a, ia, b, ib), (xa, xb) in zip(LINKS, self.addresses.links, strict=True):
            for name, interface, address in ((a, ia, xa), (b, ib, xb)):
                if name == host:
                    yield interface, address

    def _at_once(self, host: str) -> None:
        """Its IPv6 addresses can be used at once: nobody asks first whether another host has them
        (RFC 4862 §5.4), which takes two seconds.
        """
        with inside(host):
            for name in ("all", *(interface for interface, _ in self._interfaces(host))):
                Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")

    def ip(self, host: str, commands: Sequence[str]) -> None:
        """Run `ip` commands on a host ("": outside of all hosts), in one process."""
        if not commands:
            return
        where = ["-n", host] if host else []
        for command in commands:
            self.say(shlex.join(["ip", *where, *command.split()]))
        done = subprocess.run(
            ["ip", *where, "-batch", "-"],
            input="\n".join(commands),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(
                "lab-no-namespaces",
                f"ip failed: {done.stderr.strip()}",
                "Namespaces, veth and routing are needed in this kernel.",
            )

    def configure(self, name: str, text: str) -> Path:
        """Write a configuration into the directory; return its path."""
        rows = [row for row in text.splitlines() if row.strip()]
        shown = (
            rows
            if len(rows) <= SHOWN_ROWS
            else [
                *rows[: SHOWN_ROWS // 2],
                f"… {len(rows) - SHOWN_ROWS} more …",
                *rows[-SHOWN_ROWS // 2 :],
            ]
        )
        self.say("\n".join((f"{BALANCER}# cat >{name} <<'END'", *shown, "END")))
        path = self.directory / name
        path.write_text(text)
        return path

    def nft(self, host: str, rules: str) -> None:
        """Load nftables rules on a host."""
        self.say(f"{host}# nft -f - <<'END'\n{rules.strip()}\nEND")
        subprocess.run(
            ["ip", "netns", "exec", host, "nft", "-f", "-"], input=rules.encode(), check=True
        )

    def start(
        self, host: str, command: Sequence[str], environment: dict[str, str] | None = None
    ) -> Started:
        """Start a program on a host; its output goes to a log in the directory."""
        self.say(f"{host}# {shlex.join(command)}")
        self._counter += 1
        log = self.directory / f"{self._counter:02d}-{host}-{Path(command[0]).name}.log"
        with private_file(log) as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", host, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        started = Started(process, log)
        self.started.append(started)
        return started

    def python(self, host: str, module: str, *arguments: str) -> Started:
        """Start a module of the lab on a host."""
        return self.start(host, [sys.executable, "-m", module, *arguments])

    def run(
        self,
        host: str,
        command: Sequence[str],
        seconds: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on a host to its end. `environment`: what it gets beside the lab's own."""
        self.say(f"{host}# {shlex.join(command)}")
        return subprocess.run(
            ["ip", "netns", "exec", host, *command],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **(environment or {})},
        )

    def capture(
        self,
        host: str,
        path: Path,
        snaplen: int = 262144,
        filter_: str = "tcp",
        interface: str = "eth0",
    ) -> Started:
        """Start tcpdump on a host's interface and wait until it listens."""
        command = [
            "tcpdump",
            "--immediate-mode",
            "-i",
            interface,
            "-n",
            "-U",
            "-Z",
            "root",
            "-s",
            str(snaplen),
            "-w",
            str(path),
            filter_,
        ]
        started = self.start(host, command)
        self.wait_for(
            lambda: b"listening on" in started.log.read_bytes(), "tcpdump to listen", started
        )
        return started

    def wait_for_port(self, host: str, place: Endpoint, started: Started | None = None) -> None:
        """Wait until something listens on a port. It does not connect: that would be traffic."""
        wanted = f"{place.port:04X}"
        local = {in_proc(a) for a in (place.address, "0.0.0.0", "::")}

        def listening() -> bool:
            with inside(host):
                rows = (
                    Path("/proc/thread-self/net/tcp").read_text().splitlines()
                    + Path("/proc/thread-self/net/tcp6").read_text().splitlines()
                )
            for row in rows:
                columns = row.split()
                if len(columns) > 3 and columns[3] == "0A":
                    where, _, number = columns[1].partition(":")
                    if number == wanted and where in local:
                        return True
            return False

        self.wait_for(listening, f"port {place.port} on {host}", started)

    def wait_for(
        self,
        condition: Callable[[], bool],
        what: str,
        started: Started | None = None,
        seconds: float = 20.0,
    ) -> None:
        """Poll until `condition()` holds. Raises LabError, with the program's output, when the
        program ends first or this takes too long.
        """
        end = time.monotonic() + seconds
        while not condition():
            ended = started is not None and started.process.poll() is not None
            if ended or time.monotonic() > end:
                output = started.log.read_text(errors="replace").strip()[-600:] if started else ""
                raise LabError("lab-did-not-start", f"Waited in vain for {what}.", output)
            time.sleep(0.01)


def in_proc(address: str) -> str:
    """An address as /proc/net/tcp and tcp6 write it: words of 32 bits, each a number of this
    machine.
    """
    packed = ip_address(address).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


@contextmanager
def inside(host: str) -> Iterator[None]:
    """Put this thread on a host of the experiment for a while: its sockets and /proc/net are then
    that host's.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as back, open(f"/run/netns/{host}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise LabError(
                "lab-no-namespaces",
                f"Cannot enter the namespace {host}: {os.strerror(ctypes.get_errno())}.",
            )
        try:
            yield
        finally:
            libc.setns(back.fileno(), CLONE_NEWNET)


def _mount_private() -> None:
    """Mount what hosts must not share with this machine: `ip netns` keeps its names in /run,
    programs their shared memory in /dev/shm.
    """
    mount = ctypes.CDLL(None, use_errno=True).mount
    for place in (b"/run", b"/dev/shm"):
        if mount(b"tmpfs", place, b"tmpfs", 0, b"mode=1777") != 0:
            raise LabError(
                "lab-no-mount",
                f"A private {place.decode()} cannot be mounted: {os.strerror(ctypes.get_errno())}.",
            )
    SCRATCH.mkdir(mode=0o777)
    SCRATCH.chmod(0o777)


def mounted_at(place: Path, directory: Path) -> None:
    """Show a directory at another place too, in this mount namespace alone."""
    place.mkdir(exist_ok=True)
    mount = ctypes.CDLL(None, use_errno=True).mount
    if mount(bytes(directory), bytes(place), None, MS_BIND, None) != 0:
        raise LabError(
            "lab-no-mount",
            f"{directory} cannot be shown at {place}: {os.strerror(ctypes.get_errno())}.",
        )


def _offloads_off(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in OFFLOADS_OFF:
            value = array.array("I", [command, 0])
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control.fileno(), SIOCETHTOOL, request)
