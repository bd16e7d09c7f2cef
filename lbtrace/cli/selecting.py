"""The options that choose which exchanges are listed → a Selection."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_address

import click

from lbtrace.errors import OptionError
from lbtrace.model.selection import NO_STATUS, At, Moment, Selection, Statuses

_STATUS = re.compile(r"([1-9]\d\d)|([1-9])xx|(none)", re.IGNORECASE | re.ASCII)
_ENDPOINT = re.compile(
    r"(?:\[(?P<bracketed>[^][]*)\]|(?P<dotted>[^][:]*))(?::(?P<port>[0-9]{1,5}))?|(?P<bare>[^][]*)"
)
_TIME_OF_DAY = re.compile(r"(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\Z")
_S = 1_000_000_000


def options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    """The options, the last one in the help first."""
    return [
        click.option("--problems", is_flag=True, help="List only exchanges that went wrong."),
        click.option("--until", metavar="TIME", help="List only exchanges that began until then."),
        click.option(
            "--since",
            metavar="TIME",
            help="List only exchanges that began since then: HH:MM:SS or ISO 8601, in --tz.",
        ),
        click.option(
            "--to",
            multiple=True,
            metavar="ADDRESS[:PORT]",
            help="List only exchanges with this backend.",
        ),
        click.option(
            "--from",
            "from_",
            multiple=True,
            metavar="ADDRESS[:PORT]",
            help="List only exchanges of this client.",
        ),
        click.option(
            "--status",
            multiple=True,
            metavar="LIST",
            help='List only exchanges so answered: "5xx", "502,504", "none".',
        ),
        click.option(
            "--path",
            multiple=True,
            metavar="GLOB",
            help='List only exchanges with this path, or path and query: "/api/*".',
        ),
        click.option(
            "--method", multiple=True, metavar="NAME", help="List only exchanges of this method."
        ),
    ]


def selection(
    zone: tzinfo,
    method: Sequence[str],
    path: Sequence[str],
    status: Sequence[str],
    from_: Sequence[str],
    to: Sequence[str],
    since: str | None,
    until: str | None,
    problems: bool,
) -> Selection:
    """What the options say. OptionError when one makes no sense."""
    return Selection(
        methods=tuple(name.upper() for name in method),
        paths=tuple(path),
        statuses=tuple(each for text in status for each in statuses(text)),
        clients=tuple(endpoint("--from", text) for text in from_),
        backends=tuple(endpoint("--to", text) for text in to),
        since=None if since is None else moment("--since", since, zone, rounded_up=False),
        until=None if until is None else moment("--until", until, zone, rounded_up=True),
        problems=problems,
        zone=zone,
    )


def statuses(text: str) -> list[Statuses]:
    """ "4xx,502" → from 400 to 499, and 502."""
    found: list[Statuses] = []
    for part in text.split(","):
        match = _STATUS.fullmatch(part.strip())
        if match is None:
            raise OptionError(
                "bad-status",
                f"--status {text}: {part!r} is no status.",
                'Write it like "502", "5xx", "4xx,5xx", or "none" for no answer.',
            )
        status, hundred, none = match.groups()
        if none:
            found.append(Statuses(NO_STATUS, NO_STATUS))
        elif status:
            found.append(Statuses(int(status), int(status)))
        else:
            found.append(Statuses(int(hundred) * 100, int(hundred) * 100 + 99))
    return found


def endpoint(option: str, text: str) -> At:
    """ "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"."""
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise _no_endpoint(option, text)
    try:
        host = str(ip_address(match["bracketed"] or match["dotted"] or match["bare"] or ""))
    except ValueError as error:
        raise _no_endpoint(option, text) from error
    port = match["port"]
    if port is not None and int(port) > 65535:
        raise _no_endpoint(option, text)
    return At(host, None if port is None else int(port))


def _no_endpoint(option: str, text: str) -> OptionError:
    return OptionError(
        "bad-endpoint",
        f"{option} {text}: not an address with or without a port.",
        "Write it like 192.0.2.1, 192.0.2.1:80 or [2001:db8::1]:80.",
    )


def moment(option: str, text: str, zone: tzinfo, rounded_up: bool) -> Moment:
    """A time of day, or a date with one. A time without a fraction stands for its whole second, so
    `rounded_up` adds the rest of it.
    """
    rest = _S - 1 if rounded_up and "." not in text else 0
    match = _TIME_OF_DAY.match(text.strip())
    if match is not None:
        hour, minute, second = (int(part or 0) for part in match.groups()[:3])
        if hour < 24 and minute < 60 and second < 60:
            fraction = int((match[4] or "0").ljust(9, "0"))
            return Moment((hour * 3600 + minute * 60 + second) * _S + fraction + rest, True)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise OptionError(
            "bad-time",
            f"{option} {text}: not a time.",
            "Write it like 07:21:10 or 2021-08-05T07:21:10.",
        ) from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
    since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since_epoch.days * 86_400 + since_epoch.seconds
    return Moment(seconds * _S + since_epoch.microseconds * 1000 + rest, False)
