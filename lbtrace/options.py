"""The options of a run: one frozen Options, made once from flags or keyword arguments; and whom to
tell how far it is. What is stated as text is read here, for the command line and for Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol, runtime_checkable

from lbtrace.errors import OptionError

Progress = Callable[[str, float], None]  # (what is being done, fraction done 0 … 1, or UNKNOWN)
UNKNOWN = -1.0  # the fraction of what cannot tell how far it is
YEAR_NS = 365 * 24 * 3600 * 1_000_000_000
MAX_CAPTURES = 1000  # of all sides; each costs some milliseconds, and a mapping of the process
MAX_OFFSET_NS = 100 * YEAR_NS  # a time in 64 bits plus this one stays in 64 bits


@dataclass(frozen=True, slots=True)
class Options:
    """`clock_offset_ns`: client clock − backend clock as the user states it; None: estimate it.
    `decode_content`: digest bodies after content decoding (gzip, …), too. `keylogs`: paths of files
    with the secrets of TLS connections (SSLKEYLOGFILE). `jobs`: how many processes may read
    captures side by side; it changes no result. `max_memory`: bytes of memory that reading may
    take; None: what the machine has.
    """

    clock_offset_ns: int | None = None
    decode_content: bool = True
    keylogs: tuple[str, ...] = ()
    jobs: int = 1
    max_memory: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if abs(self.clock_offset_ns or 0) > MAX_OFFSET_NS:
            raise offset_too_far(f"clock_offset_ns {self.clock_offset_ns}")


def offset_too_far(shown: str) -> OptionError:
    """The error of an offset, as it was given, that is beyond MAX_OFFSET_NS."""
    return OptionError(
        "bad-clock-offset",
        f"{shown}: more than {MAX_OFFSET_NS // YEAR_NS} years.",
        "No two clocks differ that much: state client clock − backend clock.",
    )


DEFAULT = Options()


@runtime_checkable
class Resting(Protocol):
    """A Progress with a thread of its own. A process with threads cannot be forked: `rest` ends the
    thread, and the next call starts it again.
    """

    def rest(self) -> None:
        """End the thread for now."""


def quiet(_what: str, _fraction: float) -> None:
    """The Progress of whoever does not ask."""


_SIZE = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?\s*([kmgt]?)(i?)b?\Z", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int | None:
    """ "2GB", "500 MiB", "1.5g", "1000" → bytes, of decimal units, and of binary ones if they say
    so; None when it is no size.
    """
    match = _SIZE.match(text.strip())
    if match is None or (match[4] and not match[3]):
        return None
    unit: int = (1024 if match[4] else 1000) ** _POWERS[match[3].lower()]
    part = match[2] or ""
    return int(match[1] + part) * unit // int("1" + "0" * len(part))


_UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
MAX_DIGITS = 30
_OFFSET = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?\s*([a-zµ]*)\Z")


def parse_offset(text: str) -> int:
    """ "37.5s", "-250ms", "1h" → ns, exactly; a bare number is seconds. OptionError when it is no
    time.
    """
    match = _OFFSET.match(text.strip().lower())
    if match is None or (match[4] or "s") not in _UNIT_NS:
        raise OptionError(
            "bad-clock-offset",
            f"--clock-offset {text}: not a time.",
            'Write it like "37.5s" or "-250ms": client clock − backend clock.',
        )
    ns = _nanoseconds(match)
    if ns is None:
        raise _too_far(text)
    return -ns if match[1] == "-" else ns


def parse_duration(option: str, text: str) -> int:
    """ "30s", "2m", "500ms" → ns; a bare number is seconds. OptionError when it is no length of
    time, or none that anybody waits for.
    """
    match = _OFFSET.match(text.strip().lower())
    known = match is not None and not match[1] and (match[4] or "s") in _UNIT_NS
    ns = _nanoseconds(match) if match is not None and known else None
    if not ns or ns > YEAR_NS:
        raise OptionError(
            "bad-duration",
            f"{option} {text}: not a length of time.",
            'Write it like "30s" or "2m".',
        )
    return ns


def _nanoseconds(match: re.Match[str]) -> int | None:
    """The number and unit of a time, without its sign; None when it is beyond MAX_OFFSET_NS."""
    whole, part, unit = match[2], match[3] or "", match[4] or "s"
    if len(whole) > MAX_DIGITS or len(part) > MAX_DIGITS:
        return None
    ns = int(whole + part) * _UNIT_NS[unit] // int("1" + "0" * len(part))
    return ns if ns <= MAX_OFFSET_NS else None


def _too_far(text: str) -> OptionError:
    shown = text if len(text) <= MAX_DIGITS else f"{text[:MAX_DIGITS]}…"
    return offset_too_far(f"--clock-offset {shown}")


def check_lb(
    lb: Sequence[str], addresses: Sequence[str], others: Sequence[str], ports: Sequence[int] = ()
) -> None:
    """OptionError when --lb, --lb-address or --lb-port cannot be meant. `others` are the other
    captures.
    """
    if lb and others:
        raise OptionError(
            "lb-and-sides",
            "--lb names a capture that holds both sides: give no other captures with it.",
        )
    if addresses and not lb:
        raise OptionError(
            "lb-address-alone",
            "--lb-address needs --lb: two captures need no address of the balancer.",
        )
    if ports and not lb:
        raise OptionError(
            "lb-port-alone", "--lb-port needs --lb: two captures need no port of the balancer."
        )
    for address in addresses:
        if not _is_address(address):
            raise OptionError(
                "bad-lb-address",
                f"--lb-address {address}: not an IP address.",
                "Write it like 192.0.2.1, without a port.",
            )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_captures(files: Sequence[str]) -> None:
    """Raises OptionError where these are more than lbtrace takes at once, or standard input is
    named twice.
    """
    if files.count("-") > 1:
        raise OptionError("stdin-twice", 'Standard input ("-") can be only one of the captures.')
    if len(files) > MAX_CAPTURES:
        raise OptionError(
            "too-many-captures",
            f"{len(files)} captures are more than the {MAX_CAPTURES} that lbtrace takes at once.",
            "Join those of one machine: mergecap -a -w one.pcap FILE…",
        )
