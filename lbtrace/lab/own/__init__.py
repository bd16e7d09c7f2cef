"""A configuration that somebody wrote for their own machines → the same, fit to run in the lab.

What decides the behaviour stays: routes, header fields, retries, timeouts, reuse. What belongs to
the machine it was written for is replaced: names and addresses of upstream servers by the lab's
backends, listen addresses, certificates, users, log files. Every change is counted in `changed`,
what cannot be had here in `left_out`: `said` tells both in one line. A configuration that cannot
work at all is an OptionError with file and line.

One file per product, with `OWN: Own`; its `Balancer` names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lbtrace.errors import LabError, OptionError, unread
from lbtrace.lab.addresses import APP_PORT, IPV4
from lbtrace.lab.key_logs import OF_BALANCER

if TYPE_CHECKING:
    from lbtrace.lab.network import Network
    from lbtrace.lab.plan import Setup

BACKENDS = (IPV4.instance, IPV4.second)
HERE = "@LAB@"  # in a text: the directory of the experiment, which is made later
CERTIFICATE = f"{HERE}/both.pem"
KEY_LOG = f"{HERE}/../{OF_BALANCER}"
MAPPED = "upstream servers are the lab's backends"
MOST_BYTES = 4_000_000


class Wish(NamedTuple):
    """What the clients are to ask: with TLS or without, for which host, below which path; "" leaves
    the choice to the configuration. `behind`: TLS that it speaks to its servers stays.
    """

    tls: bool = False
    host: str = ""
    path: str = ""
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """What runs in the lab. The clients ask `host` on `port`, for targets below `path`; `backends`
    of the lab's backends get requests.
    """

    name: str
    text: str
    port: int
    host: str
    path: str
    backends: int
    changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def within(self, directory: Path) -> str:
        """The text, with the directory of the experiment in its place."""
        return self.text.replace(HERE, str(directory))

    @property
    def said(self) -> str:
        """One line: where the clients ask, what was changed, what was left out."""
        asked = f"The clients ask {self.host or 'no host in particular'} on port {self.port}"
        asked += f", below {self.path}" if self.path else ""
        changed = f" Changed for the lab: {'; '.join(self.changed)}." if self.changed else ""
        left = f" Left out: {'; '.join(self.left_out)}." if self.left_out else ""
        return f"{self.name}: {asked}.{changed}{left}"


class Own(NamedTuple):
    """How a product takes a configuration of somebody's own."""

    adapt: Callable[[Path, Wish], Configuration]
    start: Callable[[Network, Setup, Configuration], None]


@dataclass
class Changes:
    """What was done to a configuration, each thing once."""

    changed: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)

    def change(self, what: str) -> None:
        """Something was replaced."""
        self.changed[what] = None

    def leave_out(self, what: str) -> None:
        """Something that could matter is not there in the lab."""
        self.left_out[what] = None


class Targets:
    """Upstream servers → the lab's backends. The n-th server of a group is the n-th backend; a
    group has as many as the lab has.
    """

    def __init__(self, changes: Changes, wish: Wish) -> None:
        self.changes = changes
        self.wish = wish
        self.most = 1
        self.encrypted = False
        self._groups: Counter[str] = Counter()

    def place(self, group: str) -> str | None:
        """The address that stands for the next server of a group, None when the lab has no more."""
        number = self._groups[group]
        self._groups[group] += 1
        if number >= len(BACKENDS):
            self.changes.leave_out(f"servers of {group} beyond the lab's {len(BACKENDS)} backends")
            return None
        self.most = max(self.most, number + 1)
        self.changes.change(MAPPED)
        return f"{BACKENDS[number]}:{APP_PORT}"

    def keeps_tls(self) -> bool:
        """To be asked where the configuration speaks TLS to a server: whether that stays."""
        self.encrypted = True
        self.changes.change(
            "certificates of the servers" if self.wish.behind else "TLS to the servers is left out"
        )
        return self.wish.behind

    def require_tls(self, path: Path) -> None:
        """OptionError when the traffic is for TLS behind, and the configuration has none."""
        if self.wish.behind and not self.encrypted:
            raise wrong(path, 0, "it speaks TLS to no server.", "Use --traffic tls.")


def wrong(path: Path | str, line: int, message: str, hint: str = "") -> OptionError:
    """What cannot work in a configuration, with its place."""
    where = f"{path}, line {line}" if line else str(path)
    return OptionError("lab-configuration", f"{where}: {message}", hint)


def refused(configuration: Configuration, reason: str) -> LabError:
    """What the product itself says against a configuration."""
    return LabError(
        "lab-configuration-refused",
        f"{configuration.name} does not start in the lab: {reason}",
        "With --commands the lab shows the configuration as it was changed.",
    )


def read(path: Path) -> str:
    """The text of a file of configuration; OptionError when there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise wrong(path, 0, f"larger than {MOST_BYTES} bytes: no configuration.")
        return raw.decode("utf-8")
    except OSError as error:
        raise wrong(path, 0, *unread(error)) from error
    except UnicodeDecodeError as error:
        raise wrong(path, 0, "is not UTF-8 text.") from error


def require(package: str) -> None:
    """LabError when a Python package that reads configurations is not installed."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        name = {"yaml": "pyyaml"}.get(package, package)
        raise LabError(
            "lab-package-missing",
            f"Missing Python package: {name}. It reads the configuration.",
            "Install: pip install 'lbtrace[lab]'",
        )
