"""An nginx configuration of somebody's own → one that runs in the lab.

A whole `nginx.conf` with its includes, or the file of one site (`server` and `upstream` blocks),
which gets the usual frame. `http` and `stream` are understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lbtrace.lab.addresses import APP_PORT, BALANCER
from lbtrace.lab.network import Network
from lbtrace.lab.own import (
    BACKENDS,
    CERTIFICATE,
    HERE,
    MAPPED,
    Changes,
    Configuration,
    Own,
    Targets,
    Wish,
    refused,
    require,
)
from lbtrace.lab.own._nginx_choice import below, choose, listeners, port_of
from lbtrace.lab.own._nginx_tree import Directive, text_of, tree
from lbtrace.lab.plan import Setup

MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/share/nginx/modules"))
MACHINE = {
    "user", "pid", "daemon", "master_process", "lock_file", "error_log", "access_log",
    "working_directory", "worker_rlimit_nofile", "worker_rlimit_core", "worker_priority",
    "worker_cpu_affinity", "client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path",
    "uwsgi_temp_path", "scgi_temp_path", "ssl_engine", "proxy_bind", "resolver",
    "resolver_timeout",
}  # fmt: skip
OF_TLS = {
    "ssl", "ssl_dhparam", "ssl_client_certificate", "ssl_trusted_certificate", "ssl_crl",
    "ssl_verify_client", "ssl_verify_depth", "ssl_session_ticket_key", "ssl_password_file",
    "ssl_stapling", "ssl_stapling_verify", "ssl_stapling_file", "ssl_ocsp", "ssl_reject_handshake",
    "http2", "http3", "http3_hq", "quic_retry", "quic_gso",
}  # fmt: skip
# of TLS to the servers, what needs no file of the machine
OF_TLS_BEHIND = {
    "proxy_ssl", "proxy_ssl_name", "proxy_ssl_server_name", "proxy_ssl_session_reuse",
    "proxy_ssl_protocols", "proxy_ssl_ciphers",
}  # fmt: skip
OF_CLIENTS = ("auth_basic", "auth_basic_user_file", "auth_request", "auth_request_set", "auth_jwt")
OTHER_PROTOCOLS = (
    "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass",
)  # fmt: skip
LISTEN_OPTIONS = {"default_server", "deferred", "reuseport"}
SERVER_OPTIONS = re.compile(r"(weight|max_fails|fail_timeout|max_conns|slow_start)=\S+|backup|down")
_EMERG = re.compile(r"\[emerg\] (.+)")
FIXED_NAME = "Give proxy_pass a fixed name for the test."
_PASS = re.compile(
    r"(?P<scheme>https?://|\$\w+://)?(?P<host>\[[^\]]*\]|[^:/$]+|\$\{?\w+\}?)"
    r"(?P<port>:[^/$]+)?(?P<rest>.*)\Z",
    re.S,
)
_ADDRESS = re.compile(
    r"(?P<scheme>https?://)?(?P<host>\[[^\]]+\]|[\w.-]+)(?P<port>:\d+)?(?P<rest>/.*)?\Z"
)


def adapt(path: Path, wish: Wish) -> Configuration:
    """The configuration in the file. OptionError when it cannot work in the lab."""
    require("crossplane")
    changes = Changes()
    root = tree(path, changes)
    _framed(root, changes)
    servers = [
        (each, room.name == "http")
        for room in root.block or ()
        if room.name in ("http", "stream")
        for each in room.block or ()
        if each.name == "server"
    ]
    chosen = choose(path, list(listeners(servers)), wish)
    prefix = below(chosen, wish)
    adapter = NginxAdapter(path, wish, changes, Targets(changes, wish))
    adapter.run(root)
    adapter.targets.require_tls(path)
    name = next(iter(chosen.names), "")
    return Configuration(
        path.name,
        text_of(root),
        chosen.port,
        wish.host or name,
        prefix if chosen.http else "",
        adapter.targets.most,
        tuple(changes.changed),
        tuple(changes.left_out),
    )


def _framed(root: Directive, changes: Changes) -> None:
    """The file of a site → one with `http` around it."""
    blocks = root.block or []
    names = {d.name for d in blocks}
    if not names & {"http", "stream", "mail"}:
        site = [d for d in blocks if d.name != "events"]
        blocks = [d for d in blocks if d.name == "events"] + [Directive("http", block=site)]
        changes.change("the file of a site stands in `http`")
    if "events" not in names:
        blocks.insert(0, Directive("events", block=[]))
    root.block = blocks


@dataclass
class NginxAdapter:
    """One walk over the tree that replaces what belongs to another machine."""

    path: Path
    wish: Wish
    changes: Changes
    targets: Targets
    upstreams: set[str] = field(default_factory=set)
    variables: dict[str, bool] = field(default_factory=dict)  # and whether a port follows
    defaults: set[int] = field(default_factory=set)

    def run(self, root: Directive) -> None:
        """Change the tree."""
        every = list(root.every())
        self.upstreams = {d.args[0] for d in every if d.name == "upstream" and d.args}
        self._settle_variables(every)
        root.block = [*self._head(every), *self._walked(root.block or [], "", "")]
        for room in root.block:
            if room.name == "http" and room.block is not None:
                room.block[:0] = _folders()

    def _head(self, every: list[Directive]) -> Iterator[Directive]:
        """What the lab sets itself."""
        yield Directive("user", ["root", "root"])
        yield Directive("daemon", ["off"])
        yield Directive("pid", [f"{HERE}/nginx.pid"])
        yield Directive("error_log", [f"{HERE}/nginx-error.log", "notice"])
        loads = {Path(d.args[0]).name for d in every if d.name == "load_module" and d.args}
        module = MODULES[0] / "ngx_stream_module.so"
        if any(d.name == "stream" for d in every) and module.name not in loads and module.exists():
            yield Directive("load_module", [str(module)])

    def _walked(self, directives: list[Directive], room: str, group: str) -> list[Directive]:
        """`room` is the block around them, `group` the upstream whose servers they are."""
        found: list[Directive] = []
        for directive in directives:
            found += self._changed(directive, room, group)
        return _without_twins(found) if room == "server" else found

    def _changed(self, directive: Directive, room: str, group: str) -> list[Directive]:
        name = directive.name
        if self._to_https(directive):
            self.changes.leave_out("redirects to https")
            return []
        if directive.block is not None:
            inner = directive.args[0] if name == "upstream" and directive.args else ""
            directive.block = self._walked(directive.block, name, inner)
            return [directive]
        if group and name == "server":
            return self._upstream_server(directive, group)
        if name in MACHINE:
            self.changes.change("user, logs and folders of the machine")
            return []
        if name in OF_CLIENTS:
            self.changes.leave_out(directive.name)
            return []
        if name in OTHER_PROTOCOLS:
            self.changes.leave_out(f"{name} (the lab's backends speak HTTP), answered with 502")
            return [Directive("return", ["502"])]
        if name in OF_TLS:
            return []
        if name.startswith("proxy_ssl"):
            return self._proxy_ssl(directive)
        handler = self._handlers().get(name)
        return [directive] if handler is None else handler(directive)

    def _to_https(self, directive: Directive) -> bool:
        """Whether it sends clients to HTTPS because they came without TLS, as all do here."""
        condition = directive.name == "if" and any(
            arg.lstrip("(").startswith(("$scheme", "$https", "$ssl_")) for arg in directive.args
        )
        return (
            not self.wish.tls
            and condition
            and any(
                d.name in ("return", "rewrite") and "https://" in d.text for d in directive.every()
            )
        )

    def _handlers(self) -> dict[str, Callable[[Directive], list[Directive]]]:
        return {
            "listen": self._listen,
            "proxy_pass": self._proxy_pass,
            "ssl_certificate": self._certificate,
            "ssl_certificate_key": self._certificate,
            "load_module": self._load_module,
            "proxy_cache_path": self._cache_path,
            "set": self._set,
        }

    def _upstream_server(self, directive: Directive, group: str) -> list[Directive]:
        place = self.targets.place(group)
        if place is None:
            return []
        kept = [arg for arg in directive.args[1:] if SERVER_OPTIONS.fullmatch(arg)]
        directive.args = [place, *kept]
        return [directive]

    def _listen(self, directive: Directive) -> list[Directive]:
        port = port_of(directive.args[0]) if directive.args else 0
        if not port or {"quic", "udp"} & set(directive.args):
            self.changes.leave_out(directive.text)
            return []
        options = [arg for arg in directive.args[1:] if arg in LISTEN_OPTIONS - {"reuseport"}]
        if "default_server" in options and port in self.defaults:
            options.remove("default_server")
        if "default_server" in options:
            self.defaults.add(port)
        if "ssl" in directive.args:
            self._told_tls()
            options += ["ssl"] if self.wish.tls else []
        if "proxy_protocol" in directive.args:
            self.changes.leave_out("PROXY protocol of the clients")
        directive.args = [str(port), *options]
        self.changes.change("listen addresses")
        return [directive]

    def _told_tls(self) -> None:
        self.changes.change(
            "certificates" if self.wish.tls else "TLS of the clients, which this traffic has not"
        )

    def _certificate(self, directive: Directive) -> list[Directive]:
        directive.args = [CERTIFICATE]
        return [directive] if self.wish.tls else []

    def _proxy_ssl(self, directive: Directive) -> list[Directive]:
        """TLS to the servers; of `stream` this directive alone says whether there is any."""
        if directive.name == "proxy_ssl" and directive.args == ["on"]:
            self.targets.keeps_tls()
        return [directive] if self.wish.behind and directive.name in OF_TLS_BEHIND else []

    def _scheme(self, scheme: str | None) -> str:
        """How the backends are spoken to where a server was by this scheme."""
        if not scheme:
            return ""
        return "https://" if scheme == "https://" and self.targets.keeps_tls() else "http://"

    def _load_module(self, directive: Directive) -> list[Directive]:
        name = Path(directive.args[0]).name if directive.args else ""
        found = next((folder / name for folder in MODULES if (folder / name).exists()), None)
        if found is None:
            self.changes.leave_out(f"load_module {name}")
            return []
        directive.args = [str(found)]
        return [directive]

    def _cache_path(self, directive: Directive) -> list[Directive]:
        directive.args[:1] = [f"{HERE}/cache-{directive.line}"]
        return [directive]

    def _set(self, directive: Directive) -> list[Directive]:
        """The value of a variable that names an upstream server."""
        name, *values = directive.args or [""]
        if name not in self.variables or not values:
            return [directive]
        match = _ADDRESS.match(values[0])
        if match is None:
            raise directive.error(
                f"{name} says where requests go, and its value is no address.", FIXED_NAME
            )
        if match["host"] not in self.upstreams:
            place = self._direct()
            if self.variables[name]:  # the port stands behind the variable
                place = place.partition(":")[0]
            scheme = self._scheme(match["scheme"])
            directive.args = [name, f"{scheme}{place}{match['rest'] or ''}"]
        return [directive]

    def _settle_variables(self, every: list[Directive]) -> None:
        """The variables that say where requests go; each must be set in the file."""
        sets = {d.args[0] for d in every if d.name == "set" and d.args}
        for directive in every:
            match = _PASS.match(directive.args[0]) if directive.args else None
            if directive.name != "proxy_pass" or match is None or "$" not in match["host"]:
                continue
            name = "$" + match["host"].strip("${}")
            if name not in sets:
                raise directive.error(
                    f"{directive.text}: nothing in the configuration sets {name}, which says where "
                    "requests go.",
                    FIXED_NAME,
                )
            self.variables[name] = self.variables.get(name, False) or bool(match["port"])

    def _direct(self) -> str:
        """The backend for what names its server without an upstream block."""
        self.changes.change(MAPPED)
        return f"{BACKENDS[0]}:{APP_PORT}"

    def _proxy_pass(self, directive: Directive) -> list[Directive]:
        target = directive.args[0] if directive.args else ""
        match = _PASS.match(target)
        if match is None or target.startswith(("http://unix:", "unix:")):
            rest = target.rpartition(":")[2]
            path = rest if rest.startswith("/") and target.count(":") > 2 else ""
            scheme = "http://" if target.startswith("http") else ""
            directive.args = [f"{scheme}{self._direct()}{path}"]
            return [directive]
        scheme = self._scheme(match["scheme"])
        directive.args = [f"{scheme}{self._place(match)}{match['rest']}"]
        return [directive]

    def _place(self, match: re.Match[str]) -> str:
        """What stands for the host and the port of a proxy_pass."""
        host, port = match["host"], match["port"] or ""
        if "$" in host:
            return host + (f":{APP_PORT}" if port else "")
        is_chosen = match["rest"].startswith("$") and any(
            name.startswith(host) for name in self.upstreams
        )  # http://pool_$colour: a variable chooses among the upstreams of the file
        return host if host in self.upstreams or is_chosen else self._direct()


def _without_twins(directives: list[Directive]) -> list[Directive]:
    """Of several `listen` at one port, which had other addresses, the one that says most."""
    best: dict[str, Directive] = {}
    for directive in directives:
        if directive.name == "listen":
            known = best.setdefault(directive.args[0], directive)
            known.args += [arg for arg in directive.args[1:] if arg not in known.args]
    return [d for d in directives if d.name != "listen" or best[d.args[0]] is d]


def _folders() -> list[Directive]:
    return [
        Directive("access_log", [f"{HERE}/access.log"]),
        *(
            Directive(f"{name}_temp_path", [f"{HERE}/{name}"])
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
    ]


def start(network: Network, setup: Setup, configuration: Configuration) -> None:
    """Let nginx test it, then start it."""
    path = network.configure("nginx.conf", configuration.within(setup.directory))
    command = ["nginx", "-e", str(setup.directory / "nginx-start.log"), "-c", str(path)]
    tested = network.run(BALANCER, [*command, "-t"])
    if tested.returncode:
        raise refused(configuration, _complaint(tested.stderr))
    network.wait_for_port(BALANCER, setup.front, network.start(BALANCER, command))


def _complaint(text: str) -> str:
    """The first thing that nginx finds wrong, without the place in the lab's copy."""
    found = _EMERG.search(text)
    said = found[1] if found else (text.strip().splitlines() or ["nginx says no reason"])[0]
    return re.sub(r" in \S+:\d+\Z", "", said) + "."


OWN = Own(adapt, start)
