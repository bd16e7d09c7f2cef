"""Envoy configurations: what stays, what is replaced, what cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lbtrace.errors import OptionError
from lbtrace.lab.own import Wish
from tests.lab.own.files import FILES, adapted, adapted_text


def test_routes_stay_and_clusters_are_the_labs_backends() -> None:
    found = adapted("envoy", "envoy.yaml")
    assert (found.port, found.host, found.path, found.backends) == (
        8443, "api.example.com", "/v1", 2,
    )  # fmt: skip
    root = json.loads(found.text)
    assert "admin" not in root
    (chain,) = root["static_resources"]["listeners"][0]["filter_chains"]
    assert "transport_socket" not in chain
    manager = chain["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]
    assert host["routes"][0]["route"]["retry_policy"] == {"retry_on": "5xx", "num_retries": 2}
    assert [f["name"] for f in manager["http_filters"]] == ["envoy.filters.http.router"]
    cluster = root["static_resources"]["clusters"][0]
    assert cluster["type"] == "STATIC"
    (locality,) = cluster["load_assignment"]["endpoints"]
    assert [
        e["endpoint"]["address"]["socket_address"]["address"] for e in locality["lb_endpoints"]
    ] == ["172.31.11.95", "172.31.22.80"]
    for said in ("filter ext_authz", "redirects to https", "HTTP/2 to the servers"):
        assert said in found.said


def test_with_tls_the_certificate_is_the_labs() -> None:
    found = adapted("envoy", "envoy.yaml", Wish(tls=True))
    assert found.text.count("@LAB@/both.pem") == 2
    assert "/etc/envoy/tls" not in found.text
    assert "require_tls" in found.text


def test_tls_to_the_servers_stays_where_the_traffic_is_about_it(tmp_path: Path) -> None:
    """With Envoy's own key log on both of its sides, and no certificate of the machine."""
    wish = Wish(tls=True, behind=True)
    with pytest.raises(OptionError, match="it speaks TLS to no server"):
        adapted("envoy", "envoy.yaml", wish)
    root = yaml.safe_load((FILES / "envoy.yaml").read_text("utf-8"))
    files = {"validation_context": {"trusted_ca": {"filename": "/etc/ca.pem"}}}
    root["static_resources"]["clusters"][0]["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": "x", "sni": "a.test", "common_tls_context": files},
    }
    found = adapted_text("envoy", tmp_path, yaml.safe_dump(root), wish)
    assert found.text.count('"path": "@LAB@/../balancer.keys"') == 2
    assert '"sni": "a.test"' in found.text
    assert "/etc/ca.pem" not in found.text
    (cluster, *_) = json.loads(
        adapted_text("envoy", tmp_path, yaml.safe_dump(root), Wish(tls=True)).text
    )["static_resources"]["clusters"]
    assert "transport_socket" not in cluster


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 2: is no YAML|line 1: is no YAML"),
        ("- 1", "is no configuration of Envoy"),
        ("dynamic_resources: {}", "no static_resources.listeners"),
        ("static_resources: { listeners: [1] }", "is not shaped like"),
        ("static_resources: { listeners: [{ name: a }] }", "no listener of it sends requests"),
    ],
)
def test_what_cannot_work_is_one_line_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        adapted_text("envoy", tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "my.conf" in str(caught.value)
