"""One new balancer or traffic is one new file; what is in it must be complete."""

from __future__ import annotations

import pytest

from lbtrace.errors import LabError, OptionError
from lbtrace.lab import confine
from lbtrace.lab.plan import FEATURES
from lbtrace.lab.registry import balancers, find_balancer, find_traffic, require_match, traffics
from lbtrace.lab.run import SAMPLES
from lbtrace.model.report import Kind

BALANCERS = (
    "nginx nginx-close nginx-stream nginx-stream-proxy haproxy haproxy-never haproxy-aggressive "
    "haproxy-always haproxy-tcp haproxy-proxy "
    "haproxy-proxy-v2 envoy apache caddy varnish squid nat snat ipvs direct alb-like "
    "nginx-haproxy haproxy-nginx"
)


def test_every_balancer_is_there_and_complete() -> None:
    assert set(BALANCERS.split()) == set(balancers())
    for name, balancer in balancers().items():
        assert balancer.kind in {k.value for k in Kind}, name
        assert balancer.features <= set(FEATURES), name
        assert balancer.summary, name


def test_every_traffic_is_complete_and_somebody_can_play_it() -> None:
    for name, traffic in traffics().items():
        assert traffic.summary, name
        assert traffic.needs <= set(FEATURES), name
        assert any(traffic.needs <= b.features for b in balancers().values()), name


def test_every_sample_is_an_experiment_that_can_be_played() -> None:
    for balancer, traffic in SAMPLES.values():
        require_match(find_balancer(balancer), find_traffic(traffic))


def test_a_name_nobody_has_lists_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"There is no balancer 'f5'.*nginx"):
        find_balancer("f5")
    with pytest.raises(OptionError, match=r"There is no traffic 'ftp'.*four"):
        find_traffic("ftp")


def test_a_balancer_that_cannot_play_a_traffic_says_who_can() -> None:
    with pytest.raises(OptionError, match=r"nat cannot run 'cache', which needs 'cache'.*varnish"):
        require_match(find_balancer("nat"), find_traffic("cache"))


class TestReasonsNotToRun:
    """One clear line each, and the alternative."""

    def test_not_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr("sys.platform", "linux")
        with pytest.raises(LabError, match=r"needs root.*sudo.*lbtrace demo") as caught:
            confine.require_linux_root()
        assert caught.value.slug == "lab-not-root"

    def test_not_linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.platform", "darwin")
        with pytest.raises(LabError, match=r"needs Linux.*lbtrace demo"):
            confine.require_linux_root()

    def test_programs_missing_are_named_with_their_packages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            confine,
            "find_program",
            lambda name: None if name in ("varnishd", "varnishncsa", "nft") else f"/bin/{name}",
        )
        with pytest.raises(
            LabError,
            match=r"Missing programs: varnishd, varnishncsa, nft\. Install: sudo apt-get install "
            r"nftables varnish\.",
        ):
            confine.require_programs(
                {
                    "varnishd": "varnish",
                    "varnishncsa": "varnish",
                    "nft": "nftables",
                    "ip": "iproute2",
                }
            )
