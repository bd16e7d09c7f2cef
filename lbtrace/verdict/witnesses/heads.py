"""Case → whether message heads are the same bytes on both sides. A head that is cut is unknown, never equal and never different."""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.case import Case, Match, evidence
from lbtrace.fields import field_lines
from lbtrace.model.http import Mark, Request, Response
from lbtrace.model.report import Value
from lbtrace.verdict.weigh import Observation

HOP_FIELDS = ("connection", "keep-alive", "proxy-connection", "te", "upgrade")
ENOUGH_HEADS = 2  # one pair of identical heads may be chance: a short request has nothing that a proxy must change


def head_differences(case: Case) -> Iterator[Observation]:
    """Whether request and response heads are the same bytes on both sides.

    What a proxy does to heads it does to most of them; a head that differs here and there may be a wrong pair. Interchangeable
    pairs testify only when no head behind the balancer has the field names of any head in front of it."""
    alone = [m for m in case.distinct_matches if _whole(m)]
    if not alone:
        yield from _names_of_sets(case)
        return
    changed = [m for m in alone if _head(m.front.request) != _head(m.back.request) or (m.answered and _responses_differ(m))]
    if changed:
        yield Observation(
            "head-differences",
            "changed" if 2 * len(changed) >= len(alone) else "changed-in-some",
            "{count} of {of} exchanges have other heads behind the balancer than in front of it, for example {before} → {after}.",
            (Value("count", len(changed), "count"), Value("of", len(alone), "count"), *_example(changed[0])),
            evidence(case.request_frames(changed)),
        )
        return
    identical = [m for m in alone if m.answered and m.front.response is not None and m.back.response is not None]
    if identical:
        telling = [m for m in identical if _telling(m)]
        variant = "identical-hop-fields" if len(telling) >= ENOUGH_HEADS else "identical"
        yield Observation(
            "head-differences",
            variant,
            "Request and response heads are the same bytes on both sides in {count} of {count} exchanges"
            + (", fields of the hop and the HTTP version included." if variant == "identical-hop-fields" else "."),
            (Value("count", len(identical), "count"),),
            evidence(case.request_frames(telling or identical)),
        )


def _whole(match: Match) -> bool:
    """True when no head of the pair is cut: what was cut is unknown, never equal and never different."""
    messages = (match.front.request, match.back.request, match.front.response, match.back.response)
    there = match.front.request is not None and match.back.request is not None
    return there and not any(m is not None and Mark.HEAD_TRUNCATED in m.marks for m in messages)


def _names_of_sets(case: Case) -> Iterator[Observation]:
    both = [m for m in case.matches if _whole(m)]
    fronts = {_names(m.front.request) for m in both}
    backs = {_names(m.back.request) for m in both}
    if both and not fronts & backs:
        yield Observation(
            "head-differences",
            "changed",
            "No request head behind the balancer ({after}, for example) has the field names of any in front of it ({before}), "
            "in {count} exchanges.",
            (Value("count", len(both), "count"), Value("before", ", ".join(min(fronts))), Value("after", ", ".join(min(backs)))),
            evidence(case.request_frames(both)),
        )
    elif {_head(m.front.request) for m in both} == {_head(m.back.request) for m in both}:
        answered = [m for m in both if m.answered and m.front.response is not None and m.back.response is not None]
        if answered and {_head(m.front.response) for m in answered} == {_head(m.back.response) for m in answered}:
            yield Observation(
                "head-differences",
                "identical-hop-fields" if sum(map(_telling, answered)) >= ENOUGH_HEADS else "identical",
                "Both sides have the same request and response heads, byte for byte ({count} exchanges).",
                (Value("count", len(answered), "count"),),
                evidence(case.request_frames(answered)),
            )


def _names(request: Request | None) -> tuple[str, ...]:
    return tuple(line.name for line in request.lines) if request is not None else ()


def _head(message: Request | Response | None) -> tuple[object, ...]:
    if message is None:
        return ()
    start: tuple[object, ...] = (
        (message.method, message.target, message.version)
        if isinstance(message, Request)
        else (message.status, message.reason, message.version)
    )
    return (*start, tuple(line.raw for line in message.lines))


def _responses_differ(match: Match) -> bool:
    both = match.front.response is not None and match.back.response is not None
    return both and _head(match.front.response) != _head(match.back.response)


def _telling(match: Match) -> bool:
    """True when the heads hold something an HTTP proxy would not have passed on: a field of the hop, or a response of HTTP/1.0."""
    messages = (match.front.request, match.front.response)
    hop = any(message is not None and any(field_lines(message, name) for name in HOP_FIELDS) for message in messages)
    response = match.front.response
    return hop or (response is not None and response.version == "HTTP/1.0")


def _example(match: Match) -> tuple[Value, Value]:
    """The first line that differs, on both sides."""
    for front, back in ((match.front.request, match.back.request), (match.back.response, match.front.response)):
        if front is None or back is None:
            continue
        before = [_start(front), *(line.raw for line in front.lines)]
        after = [_start(back), *(line.raw for line in back.lines)]
        gone = [line for line in before if line not in after]
        new = [line for line in after if line not in before]
        if gone or new:
            line = gone[0] if gone else new[0]
            mates = [n for n in new if _field(n) == _field(line)] if gone else [line]
            return Value("before", line if gone else "(no such line)"), Value("after", mates[0] if mates else "(no such line)")
    return Value("before", "one order of lines"), Value("after", "another")


def _field(line: str) -> str:
    return line.partition(":")[0].lower() if ":" in line else ""


def _start(message: Request | Response) -> str:
    if isinstance(message, Request):
        return f"{message.method} {message.target} {message.version}"
    return f"{message.version} {message.status} {message.reason}".rstrip()
