"""An Envoy bootstrap configuration of somebody's own (YAML or JSON) → one that runs in the lab.

Listeners, routes and clusters must be in the file: the lab has no control plane.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lbtrace.lab.addresses import APP_PORT, BALANCER
from lbtrace.lab.envoy_program import program, within_reach
from lbtrace.lab.network import Network
from lbtrace.lab.own import (
    CERTIFICATE,
    KEY_LOG,
    Changes,
    Configuration,
    Own,
    Targets,
    Wish,
    read,
    refused,
    require,
    wrong,
)
from lbtrace.lab.plan import Setup

Node = dict[str, Any]
MACHINE = ("admin", "node", "dynamic_resources", "hds_config", "stats_sinks", "tracing",
           "overload_manager", "watchdogs", "flags_path")  # fmt: skip
# filters that ask another service whether a request may pass
ASKING = ("ext_authz", "ratelimit", "jwt_authn", "oauth2", "ext_proc")
OF_CLUSTERS = ("transport_socket", "transport_socket_matches", "upstream_bind_config",
               "http2_protocol_options", "eds_cluster_config", "cluster_type", "lrs_server",
               "dns_resolvers", "typed_dns_resolver_config", "dns_lookup_family")  # fmt: skip
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


_REFUSED = re.compile(r"error initializing config[^\n]*?': ?(.+)")


class EnvoyFront(NamedTuple):
    listener: Node
    port: int
    tls: bool
    filter: Node  # the HTTP connection manager, or the TCP proxy
    hosts: list[Node]  # virtual hosts that send requests to a cluster

    @property
    def http(self) -> bool:
        """Whether it reads HTTP."""
        return "route_config" in self.filter


def adapt(path: Path, wish: Wish) -> Configuration:
    """The configuration in the file. OptionError when it cannot work in the lab."""
    root = _read(path)
    try:
        return _adapted(path, root, wish)
    except (AttributeError, KeyError, TypeError) as error:
        raise wrong(path, 0, "is not shaped like a configuration of Envoy.") from error


def _adapted(path: Path, root: Node, wish: Wish) -> Configuration:
    resources = root.get("static_resources")
    resources = resources if isinstance(resources, dict) else {}
    if not resources.get("listeners"):
        raise wrong(
            path,
            0,
            "it has no static_resources.listeners.",
            "The lab has no control plane: dump what it sends (/config_dump) into one file.",
        )
    front = _chosen(path, resources, wish)
    host = next((v for v in front.hosts if wish.host in v.get("domains", ())), None)
    host = host or next(iter(front.hosts), None)
    below = wish.path.rstrip("/") or (_below(path, host) if host else "")
    changes = Changes()
    adapter = EnvoyAdapter(wish, changes, Targets(changes, wish))
    adapter.run(root, resources)
    adapter.targets.require_tls(path)
    return Configuration(
        path.name,
        json.dumps(root, indent=1),
        front.port,
        wish.host or _name(host),
        below,
        adapter.targets.most,
        tuple(changes.changed),
        tuple(changes.left_out),
    )


def _read(path: Path) -> Node:
    text = read(path)
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise wrong(path, 0, f"is no JSON: {error}.") from error
    else:
        require("yaml")
        import yaml

        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 0
            raise wrong(path, line, f"is no YAML: {getattr(error, 'problem', error)}.") from error
    if not isinstance(found, dict):
        raise wrong(path, 0, "is no configuration of Envoy.")
    return found


def _chosen(path: Path, resources: Node, wish: Wish) -> EnvoyFront:
    fronts = list(_fronts(resources))
    able = [front for front in fronts if front.tls or not wish.tls]
    if fronts and not able:
        raise wrong(path, 0, "no listener of it takes TLS.", "Leave out --traffic tls.")
    going = [front for front in able if front.hosts or not front.http]
    if not going:
        raise wrong(
            path,
            0,
            "no listener of it sends requests to a cluster by a route_config in the file.",
            "The lab has no control plane: routes (rds) must be in the file.",
        )
    named = [front for front in going if any(wish.host in v["domains"] for v in front.hosts)]
    return min(named or going, key=lambda front: front.tls)


def _fronts(resources: Node) -> Iterator[EnvoyFront]:
    for listener in resources["listeners"]:
        port = listener.get("address", {}).get("socket_address", {}).get("port_value")
        for chain in listener.get("filter_chains", ()):
            for each in chain.get("filters", ()):
                config = each.get("typed_config", {})
                kind = str(config.get("@type", ""))
                if isinstance(port, int) and kind.endswith((".HttpConnectionManager", ".TcpProxy")):
                    hosts = config.get("route_config", {}).get("virtual_hosts", ())
                    if kind.endswith(".TcpProxy") or "route_config" in config:
                        yield EnvoyFront(
                            listener,
                            port,
                            "transport_socket" in chain,
                            config,
                            [v for v in hosts if any("route" in r for r in v.get("routes", ()))],
                        )


def _name(host: Node | None) -> str:
    """A name that a virtual host answers to, "" for any."""
    domains = [str(d) for d in (host or {}).get("domains", ())]
    name = domains[0].partition(":")[0] if domains else ""
    return "" if name == "*" or not name else name.replace("*", "lab")


def _below(path: Path, host: Node) -> str:
    """The path below which the virtual host sends requests to a cluster."""
    for route in host["routes"]:
        prefix = route.get("match", {}).get("prefix")
        prefix = prefix or route.get("match", {}).get("path_separated_prefix")
        if "route" in route and isinstance(prefix, str):
            return prefix.rstrip("/")
    raise wrong(
        path,
        0,
        f"which path {host.get('name', 'the virtual host')} sends on cannot be told.",
        "Name one: --below /api.",
    )


@dataclass
class EnvoyAdapter:
    """One walk that replaces what belongs to another machine."""

    wish: Wish
    changes: Changes
    targets: Targets

    def run(self, root: Node, resources: Node) -> None:
        """Change the configuration."""
        for name in MACHINE:
            if root.pop(name, None) is not None:
                self.changes.change("administration and control plane of the machine")
        if resources.pop("secrets", None) is not None:
            self.changes.change("certificates")
        resources["listeners"] = [each for each in resources["listeners"] if self._listener(each)]
        for cluster in resources.get("clusters", ()):
            self._cluster(cluster)

    def _listener(self, listener: Node) -> bool:
        socket = listener.get("address", {}).get("socket_address")
        if not isinstance(socket, dict) or socket.get("protocol") == "UDP":
            self.changes.leave_out(f"listener {listener.get('name', '')}")
            return False
        socket["address"] = "0.0.0.0"
        listener.pop("additional_addresses", None)
        listener.pop("access_log", None)
        listener["listener_filters"] = [
            each for each in listener.get("listener_filters", ()) if self._may_stay(each)
        ]
        self.changes.change("listener addresses")
        for chain in listener.get("filter_chains", ()):
            self._chain(chain)
        return True

    def _may_stay(self, listener_filter: Node) -> bool:
        name = str(listener_filter.get("name", "")) + str(listener_filter.get("typed_config", ""))
        if "proxy_protocol" in name:
            self.changes.leave_out("PROXY protocol of the clients")
            return False
        return self.wish.tls or "tls_inspector" not in name

    def _chain(self, chain: Node) -> None:
        tls = chain.get("transport_socket")
        if tls is not None and self.wish.tls:
            self._certify(tls)
        elif tls is not None:
            del chain["transport_socket"]
            self.changes.change("TLS of the clients, which this traffic has not")
        if not self.wish.tls:
            match = chain.get("filter_chain_match", {})
            for name in ("server_names", "transport_protocol", "application_protocols"):
                match.pop(name, None)
        for each in chain.get("filters", ()):
            self._filter(each.get("typed_config", {}))

    def _certify(self, tls: Node) -> None:
        file = {"filename": CERTIFICATE}
        context = tls.setdefault("typed_config", {})
        common = context.setdefault("common_tls_context", {})
        kept = {k: v for k, v in common.items() if k in ("alpn_protocols", "tls_params")}
        kept["key_log"] = {"path": KEY_LOG}
        certificates = [{"certificate_chain": file, "private_key": file}]
        context["common_tls_context"] = {**kept, "tls_certificates": certificates}
        context.pop("require_client_certificate", None)
        self.changes.change("certificates")

    def _filter(self, config: Node) -> None:
        for name in ("access_log", "access_log_options", "tracing"):
            config.pop(name, None)
        kept = []
        for each in config.get("http_filters", ()):
            text = f"{each.get('name', '')} {each.get('typed_config', {}).get('@type', '')}"
            asks = next((name for name in ASKING if name in text), "")
            if asks:
                self.changes.leave_out(f"filter {asks}")
            else:
                kept.append(each)
        if "http_filters" in config:
            config["http_filters"] = kept
        for host in config.get("route_config", {}).get("virtual_hosts", ()):
            if not self.wish.tls and host.pop("require_tls", None) is not None:
                self.changes.leave_out("redirects to https")

    def _cluster(self, cluster: Node) -> None:
        """Its endpoints are the lab's backends, whatever told them before."""
        name = str(cluster.get("name", ""))
        socket = cluster.get("transport_socket")
        tls = _towards_servers(socket) if socket and self.targets.keeps_tls() else {}
        for key in OF_CLUSTERS:
            cluster.pop(key, None)
        cluster.update(tls)
        self._http1(cluster)
        cluster["type"] = "STATIC"
        localities = cluster.get("load_assignment", {}).get("endpoints", ())
        if not localities:
            localities = [{"lb_endpoints": [{}, {}]}]
        for locality in localities:
            kept = []
            for endpoint in locality.get("lb_endpoints", ()):
                place = self.targets.place(name)
                if place is not None:
                    endpoint["endpoint"] = {"address": _address(place.partition(":")[0])}
                    kept.append(endpoint)
            locality["lb_endpoints"] = kept
        localities = [each for each in localities if each["lb_endpoints"]]
        cluster["load_assignment"] = {"cluster_name": name, "endpoints": localities}
        checks = [c for c in cluster.get("health_checks", ()) if "grpc_health_check" not in c]
        if len(checks) < len(cluster.get("health_checks", ())):
            self.changes.leave_out("gRPC health checks")
        if "health_checks" in cluster:
            cluster["health_checks"] = checks

    def _http1(self, cluster: Node) -> None:
        """The lab's backends speak HTTP/1.1."""
        options = cluster.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
        for key in ("explicit_http_config", "auto_config", "use_downstream_protocol_config"):
            if key in options:
                if "http2" in str(options[key]):
                    self.changes.leave_out("HTTP/2 to the servers")
                options.pop(key)
                options["explicit_http_config"] = {"http_protocol_options": {}}


def _towards_servers(socket: Node) -> Node:
    """The TLS of a cluster without its certificates, and with a key log."""
    context = socket.get("typed_config", {})
    common = {k: v for k, v in context.get("common_tls_context", {}).items() if k == "tls_params"}
    context["common_tls_context"] = {**common, "key_log": {"path": KEY_LOG}}
    return {"transport_socket": socket}


def _address(address: str) -> Node:
    return {"socket_address": {"address": address, "port_value": APP_PORT}}


def start(network: Network, setup: Setup, configuration: Configuration) -> None:
    """Let Envoy test it, then start it."""
    setup = within_reach(setup)
    path = network.configure("envoy.json", configuration.within(setup.directory))
    command = [
        program() or "envoy",
        "-c",
        str(setup.directory / path.name),
        "--disable-hot-restart",
        "--log-level",
        "warn",
    ]
    tested = network.run(BALANCER, [*command, "--mode", "validate"])
    if tested.returncode:
        raise refused(configuration, _complaint(tested.stderr + tested.stdout))
    started = network.start(BALANCER, [*command, "--concurrency", "1"], dict(os.environ))
    network.wait_for_port(BALANCER, setup.front, started)


def _complaint(text: str) -> str:
    """What Envoy finds wrong, in one line."""
    rows = [row for row in text.splitlines() if row.strip()]
    told = _REFUSED.search(text)
    said = told[1] if told else (rows[-1] if rows else "Envoy says no reason")
    return said.strip(" .")[:300] + "."


OWN = Own(adapt, start)
