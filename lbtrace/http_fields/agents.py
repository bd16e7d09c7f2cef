"""What health checkers call themselves in User-Agent."""

from __future__ import annotations

from typing import Final

HEALTH_CHECKERS: Final = (
    "elb-healthchecker",
    "googlehc",
    "health",
    "kube-probe",
    "consul",
    "haproxy",
    "varnish",
    "monitor",
    "probe",
    "amazon-route53",
    "nginx-check",
    "load balancer agent",
)
"""Parts of the value, in lower case (manuals of the vendors)."""


def is_health_checker(agent: str) -> bool:
    """Whether a User-Agent says that it checks health."""
    return any(part in agent.lower() for part in HEALTH_CHECKERS)
