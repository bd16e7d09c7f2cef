"""A HAProxy configuration of somebody's own → one that runs in the lab."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lbtrace.lab.addresses import BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.own import CERTIFICATE, Changes, Configuration, Own, Targets, Wish, refused
from lbtrace.lab.own._haproxy_lines import HaproxyDocument, HaproxySection, Line, document
from lbtrace.lab.plan import Setup

FOLDER = "/etc/haproxy/"
# sections and keywords that belong to the machine or to what the lab has not
NO_SECTIONS = {"peers", "resolvers", "mailers", "program", "ring", "log-forward", "traces", "acme"}
MACHINE = {
    "chroot", "user", "group", "uid", "gid", "daemon", "pidfile", "log", "log-send-hostname",
    "stats", "ca-base", "crt-base", "ulimit-n", "node", "localpeer", "ssl-dh-param-file",
    "server-state-file", "server-state-base", "master-worker", "mworker-max-reloads", "cpu-map",
    "ssl-engine", "set-dumpable", "unix-bind", "issuers-chain-path", "hard-stop-after",
}  # fmt: skip
WITH_A_FILE = {"errorfile", "lua-load", "lua-load-per-thread"}
# words of `server` and `default-server` that the lab has no use for: name → how many follow it
OF_SERVERS = {
    "ssl": 0, "check-ssl": 0, "no-ssl": 0, "verify": 1, "ca-file": 1, "crt": 1, "crl-file": 1,
    "sni": 1, "check-sni": 1, "alpn": 1, "check-alpn": 1, "npn": 1, "verifyhost": 1, "ciphers": 1,
    "ciphersuites": 1, "ssl-min-ver": 1, "ssl-max-ver": 1, "force-tlsv12": 0, "no-sslv3": 0,
    "proto": 1, "check-proto": 1, "resolvers": 1, "resolve-prefer": 1, "resolve-opts": 1,
    "resolve-net": 1, "init-addr": 1, "port": 1, "addr": 1, "agent-check": 0, "agent-port": 1,
    "agent-addr": 1, "agent-inter": 1, "agent-send": 1, "source": 1, "interface": 1, "track": 1,
    "namespace": 1, "socks4": 1,
}  # fmt: skip
# of these, what stays where TLS to the servers does
OF_TLS_SERVERS = {
    "ssl", "check-ssl", "no-ssl", "sni", "check-sni", "ciphers", "ciphersuites", "ssl-min-ver",
    "ssl-max-ver", "force-tlsv12",
}  # fmt: skip
# words of `bind` that stay, whatever the traffic
OF_BINDS = {"name": 1, "maxconn": 1, "defer-accept": 0}
OF_TLS_BINDS = {"alpn": 1, "ciphers": 1, "ciphersuites": 1, "ssl-min-ver": 1, "no-sslv3": 0}
_HOSTS = re.compile(r"(?:req\.|req\.f?)?hdr(?:_dom|_beg|_end|_reg|_sub)?\(host\)(?:,\S+)?\Z", re.I)


_ALERT = re.compile(r"\[ALERT\][^:]*: (?:config : )?(.+)")
_PARSING = re.compile(r"parsing \[[^]]*\] ?: (.+)")


class HaproxyFront(NamedTuple):
    section: HaproxySection
    port: int
    tls: bool


def adapt(path: Path, wish: Wish) -> Configuration:
    """The configuration in the file. OptionError when it cannot work in the lab."""
    changes = Changes()
    found = document(path)
    front = _chosen(found, wish)
    adapter = HaproxyAdapter(found, wish, changes, Targets(changes, wish), path.parent)
    adapter.run()
    adapter.targets.require_tls(path)
    return Configuration(
        path.name,
        found.text,
        front.port,
        wish.host or _host(front.section),
        wish.path.rstrip("/"),
        adapter.targets.most,
        tuple(changes.changed),
        tuple(changes.left_out),
    )


def _chosen(found: HaproxyDocument, wish: Wish) -> HaproxyFront:
    """The frontend that the clients ask: one that goes on to servers, without TLS if there is."""
    fronts = [
        HaproxyFront(section, port, "ssl" in line.words)
        for section in found.sections
        if section.kind in ("frontend", "listen")
        for line in section.having("bind")
        for port in _ports(line.words[1] if len(line.words) > 1 else "")
    ]
    if not fronts:
        raise found.error(0, "it has no frontend that binds a port.")
    able = [front for front in fronts if front.tls or not wish.tls]
    if not able:
        raise found.error(0, "no frontend of it takes TLS.", "Leave out --traffic tls.")
    going = [front for front in able if _goes_on(front.section)]
    if not going:
        raise found.error(
            able[0].section.head.number, "no frontend of it sends requests to servers."
        )
    # port 80 that sends to HTTPS is worth less than what it sends to
    return min(going, key=lambda front: (_redirects(front), front.tls))


def _redirects(front: HaproxyFront) -> bool:
    """Whether the frontend is there to send clients to another one, which takes TLS."""
    takes_tls = any("ssl" in line.words for line in front.section.having("bind"))
    return not takes_tls and any(map(_to_https, front.section.lines))


def _to_https(line: Line) -> bool:
    """Whether a line sends clients to HTTPS."""
    redirects = line.words[0] == "redirect" or line.words[:2] == ["http-request", "redirect"]
    return redirects and (line.value("scheme") == "https" or "https://" in line.text)


def _goes_on(section: HaproxySection) -> bool:
    return any(
        line.words[0] in ("default_backend", "use_backend", "server", "server-template")
        for line in section.lines
    )


def _ports(addresses: str) -> Iterator[int]:
    """ "*:80,[::]:80" → the ports; nothing for sockets of Unix."""
    for address in addresses.strip("\"'").split(","):
        number = address.rpartition(":")[2].partition("-")[0]
        if number.isdigit() and not address.startswith(("/", "unix@", "abns@", "fd@", "quic")):
            yield int(number)


def _host(section: HaproxySection) -> str:
    """A host that the frontend knows, where it has no backend for all others."""
    if next(section.having("default_backend", "server"), None) is not None:
        return ""
    for line in section.lines:
        for at, word in enumerate(line.words):
            if _HOSTS.match(word.strip("{")):
                names = [w for w in line.words[at + 1 :] if not w.startswith("-")]
                if names and re.fullmatch(r"[\w.-]+", names[0]):
                    return names[0]
    return ""


@dataclass
class HaproxyAdapter:
    """One walk over the sections that replaces what belongs to another machine."""

    found: HaproxyDocument
    wish: Wish
    changes: Changes
    targets: Targets
    folder: Path

    def run(self) -> None:
        """Change the document."""
        kept: list[HaproxySection] = []
        for section in self.found.sections:
            if section.kind in NO_SECTIONS:
                self.changes.change(f"{section.kind} of the machine")
                continue
            lines = [new for line in section.lines for new in self._changed(section, line)]
            section.lines = lines
            kept.append(section)
        if not any(section.kind == "global" for section in kept):
            kept.insert(0, HaproxySection("global", Line(["global"], 0)))
        glob = next(section for section in kept if section.kind == "global")
        glob.lines.append(Line(["log", "stdout", "format", "raw", "local0"], 0))
        self.found.sections = kept

    def _changed(self, section: HaproxySection, line: Line) -> list[Line]:
        word = line.words[0]
        if self._of_machine(section, line):
            return []
        if not self.wish.tls and _to_https(line):
            self.changes.leave_out("redirects to https")
            return []
        if word in WITH_A_FILE:
            return self._with_file(line)
        if word == "bind":
            return self._bind(line)
        if word in ("server", "server-template") and section.kind in ("backend", "listen"):
            return self._server(section, line)
        if word == "default-server":
            line.words[1:] = self._kept(line.words[1:])
            return [line] if len(line.words) > 1 else []
        line.words = [self._beside(each) for each in line.words]
        return [line]

    def _of_machine(self, section: HaproxySection, line: Line) -> bool:
        """Whether the line is about the machine; `log` of a section that says "global" stays."""
        word = line.words[0]
        if section.kind == "global":
            gone = word in MACHINE
        else:
            gone = (word == "log" and line.words[1:2] != ["global"]) or word in (
                "email-alert", "source", "load-server-state-from-file",
            )  # fmt: skip
        if gone:
            self.changes.change("user, logs and folders of the machine")
        return gone

    def _with_file(self, line: Line) -> list[Line]:
        """A line whose last word is a file: without the file it cannot be."""
        line.words[-1] = self._beside(line.words[-1])
        if (self.folder / line.words[-1].strip("\"'")).exists():
            line.words[-1] = str(self.folder / line.words[-1].strip("\"'"))
            return [line]
        self.changes.leave_out(line.text)
        return []

    def _beside(self, word: str) -> str:
        """A path below HAProxy's own folder → the same beside the given file, if it is there."""
        at = word.find(FOLDER)
        if at < 0:
            return word
        rest = word[at + len(FOLDER) :]
        name = re.split(r"[,)\"' ]", rest)[0]
        return word[:at] + f"{self.folder}/{rest}" if (self.folder / name).exists() else word

    def _bind(self, line: Line) -> list[Line]:
        addresses = line.words[1] if len(line.words) > 1 else ""
        ports = list(dict.fromkeys(_ports(addresses)))
        if not ports:
            self.changes.leave_out(line.text)
            return []
        tls = "ssl" in line.words
        options = _words(line.words[2:], {**OF_BINDS, **(OF_TLS_BINDS if tls and self.wish.tls
                                                         else {})})  # fmt: skip
        if tls:
            self.changes.change(
                "certificates" if self.wish.tls
                else "TLS of the clients, which this traffic has not"
            )  # fmt: skip
            options += ["ssl", "crt", CERTIFICATE] if self.wish.tls else []
        if "accept-proxy" in line.words:
            self.changes.leave_out("PROXY protocol of the clients")
        self.changes.change("addresses of bind")
        return [Line(["bind", f"*:{port}", *options], line.number) for port in ports]

    def _server(self, section: HaproxySection, line: Line) -> list[Line]:
        """A server is one of the lab's backends; a template is as many as it may become."""
        template = line.words[0] == "server-template"
        needed = 4 if template else 3
        if len(line.words) < needed:
            raise self.found.error(line.number, f"{line.text}: it has no address.")
        options = self._kept(line.words[needed:])
        names = [line.words[1]]
        if template:
            last = line.words[2].rpartition("-")[2]
            count = int(last) if last.isdigit() else 1
            names = [f"{line.words[1]}{number}" for number in range(1, min(count, 2) + 1)]
        found = []
        for name in names:
            place = self.targets.place(section.name or "listen")
            if place is not None:
                found.append(Line(["server", name, place, *options], line.number))
        return found

    def _kept(self, words: Sequence[str]) -> list[str]:
        """The options of a server without those that the lab has no use for."""
        tls = "ssl" in words and self.targets.keeps_tls()
        stay = OF_TLS_SERVERS if tls else set()
        dropped = {at for at, word in enumerate(words) if word in OF_SERVERS.keys() - stay
                   for at in range(at, at + 1 + OF_SERVERS[word])}  # fmt: skip
        kept = [word for at, word in enumerate(words) if at not in dropped]
        return [*kept, "verify", "none"] if tls else kept


def _words(words: Sequence[str], wanted: dict[str, int]) -> list[str]:
    """Of the options those that are wanted, with what follows them."""
    found: list[str] = []
    for at, word in enumerate(words):
        if word in wanted:
            found += words[at : at + 1 + wanted[word]]
    return found


def start(network: Network, setup: Setup, configuration: Configuration) -> None:
    """Let HAProxy test it, then start it."""
    path = network.configure("haproxy.cfg", configuration.within(setup.directory))
    tested = network.run(BALANCER, ["haproxy", "-c", "-f", str(path)])
    if tested.returncode:
        raise refused(configuration, _complaint(tested.stderr + tested.stdout))
    started = network.start(BALANCER, ["haproxy", "-db", "-f", str(path)])
    network.wait_for_port(BALANCER, setup.front, started)


def _complaint(text: str) -> str:
    """The first thing that HAProxy finds wrong, without the place in the lab's copy."""
    alerts = _PARSING.findall(text) or _ALERT.findall(text)
    return (alerts[0] if alerts else "HAProxy says no reason").strip(" .") + "."


OWN = Own(adapt, start)
