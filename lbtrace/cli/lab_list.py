"""`lbtrace lab list`: on one screen, which balancer plays what, and which traffics there are; in
full, what one of them is.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from lbtrace.errors import LabError, OptionError
from lbtrace.lab.plan import Balancer, Traffic
from lbtrace.lab.registry import balancers, traffics
from lbtrace.lab.run import require_runnable
from lbtrace.model.report import Kind
from lbtrace.render.wording import names

WIDTH = 80
# what keeps every balancer from running here says nothing about one of them
OF_THE_MACHINE = ("lab-not-root", "lab-not-linux", "lab-no-namespaces")
ORDER = (Kind.L7_PROXY, Kind.L4_PROXY, Kind.L4_PASSTHROUGH, Kind.DIRECT)


def overview() -> Iterator[str]:
    """One screen."""
    missing = False
    for kind in ORDER:
        yield names.KIND[kind]
        for balancer in balancers().values():
            if balancer.kind == kind.value:
                lacks = what_is_missing(balancer)
                missing |= bool(lacks)
                yield f" {'-' if lacks else ' '}{balancer.name:<19}{balancer.summary}"
    yield "Traffic"
    yield from wrap(
        "  ".join(traffics()),
        WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    yield ""
    if missing:
        yield "-: something is missing here; `lbtrace lab list NAME` says what."
    yield "lbtrace lab run BALANCER --traffic TRAFFIC · what one is: lbtrace lab list NAME"


def one(name: str) -> Iterator[str]:
    """A balancer or a traffic in full. OptionError when there is neither of that name."""
    balancer, traffic = balancers().get(name), traffics().get(name)
    if balancer is None and traffic is None:
        raise OptionError(
            "lab-unknown-name",
            f"There is no balancer and no traffic {name!r} in the lab.",
            "See: lbtrace lab list",
        )
    if balancer is not None:
        yield from _balancer(balancer)
    if traffic is not None:
        yield from _traffic(traffic)


def _balancer(balancer: Balancer) -> Iterator[str]:
    yield f"{balancer.name}: {balancer.summary} ({names.KIND[Kind(balancer.kind)]})"
    if lacks := what_is_missing(balancer):
        yield f"  {lacks}"
    runs = [t.name for t in traffics().values() if t.needs <= balancer.features]
    yield from _wrapped("runs", runs)


def _traffic(traffic: Traffic) -> Iterator[str]:
    backends = f", {traffic.backends} backends" if traffic.backends > 1 else ""
    yield f"{traffic.name}: {traffic.summary}{backends}"
    able = [b.name for b in balancers().values() if traffic.needs <= b.features]
    yield from _wrapped("runs through", able)


def _wrapped(lead: str, every: list[str]) -> Iterator[str]:
    yield from wrap(
        f"{lead}: {', '.join(every)}",
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )


def what_is_missing(balancer: Balancer) -> str:
    """Why it cannot run here, "" when it can, or when no balancer could."""
    try:
        require_runnable(balancer)
    except LabError as error:
        return "" if error.slug in OF_THE_MACHINE else error.message
    return ""
