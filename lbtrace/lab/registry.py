"""Names → balancers and traffics: every module in `balancers/` lists its balancers, every module in
`traffic/` its traffics.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from lbtrace.errors import OptionError, unknown_name
from lbtrace.lab import balancers as balancer_room
from lbtrace.lab import traffic as traffic_room
from lbtrace.lab.own import Configuration, Wish
from lbtrace.lab.plan import Balancer, Traffic

T = TypeVar("T", Balancer, Traffic)


@cache
def balancers() -> dict[str, Balancer]:
    """Every balancer by name."""
    return {
        b.name: b for module in _modules(balancer_room) for b in getattr(module, "BALANCERS", ())
    }


@cache
def traffics() -> dict[str, Traffic]:
    """Every traffic by name."""
    return {t.name: t for module in _modules(traffic_room) for t in getattr(module, "TRAFFICS", ())}


def find_balancer(name: str) -> Balancer:
    """The balancer of that name. Raises OptionError with the names there are."""
    return _named("balancer", name, balancers())


def find_traffic(name: str) -> Traffic:
    """The traffic of that name. Raises OptionError with the names there are."""
    return _named("traffic", name, traffics())


def _named(what: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise unknown_name(f"lab-unknown-{what}", what, name, known)
    return known[name]


def require_match(balancer: Balancer, traffic: Traffic) -> None:
    """Raise OptionError when the balancer cannot do what the traffic needs."""
    for feature in sorted(traffic.needs - balancer.features):
        able = [b.name for b in balancers().values() if traffic.needs <= b.features]
        raise OptionError(
            "lab-no-match",
            f"{balancer.name} cannot run {traffic.name!r}, which needs {feature!r}.",
            f"These can: {', '.join(able)}.",
        )


def adapted(
    balancer: Balancer, traffic: Traffic, path: Path, host: str = "", below: str = ""
) -> Configuration:
    """The configuration in a file, fit for this balancer of the lab and for the traffic. Raises
    OptionError when it cannot work here.
    """
    if balancer.own is None:
        able = [b.name for b in balancers().values() if b.own is not None]
        raise OptionError(
            "lab-takes-no-configuration",
            f"{balancer.name} takes no configuration of your own.",
            f"These do: {', '.join(able)}.",
        )
    if below and not below.startswith("/"):
        raise OptionError("lab-bad-path", f"--below {below}: a path begins with /.")
    wish = Wish("tls" in traffic.needs, host, below, "tls-behind" in traffic.needs)
    return balancer.own.adapt(path, wish)


def _modules(room: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(room.__path__):
        yield importlib.import_module(f"{room.__name__}.{found.name}")
