"""The questions that an assistant may ask: each a name, what it is for, its arguments, and the text
of its answer.

The texts are those of the terminal: the same sentences, masked and with their frames. A new
question is one function and one row of TOOLS.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any

from lbtrace.cli.assistants.kept_results import KeptResults
from lbtrace.cli.assistants.roots import Roots
from lbtrace.cli.compare import typed
from lbtrace.errors import InputError, OptionError
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.net import Side
from lbtrace.model.report import CaptureReport, Report
from lbtrace.options import Options, check_lb, parse_offset, quiet
from lbtrace.render import Detail, View, get_format

WIDTH = 100
MOST_FILES = 20_000  # that are looked at, for a list of captures
MOST_FRAMES = 50
Arguments = Mapping[str, Any]
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the answers are made from."""

    roots: Roots
    results: KeptResults


@dataclass(frozen=True, slots=True)
class Tool:
    """A question. `arguments` are JSON Schemas by name."""

    name: str
    about: str
    answer: Callable[[Desk, Arguments], str]
    arguments: dict[str, Schema]
    required: tuple[str, ...] = ()
    reads: bool = True  # whether the answer is made of what captures hold

    @property
    def schema(self) -> Schema:
        """Of all arguments."""
        return {
            "type": "object",
            "properties": self.arguments | {"cursor": _CURSOR},
            "required": list(self.required),
            "additionalProperties": False,
        }


_LONGEST = 4096  # characters of an argument


def _text(about: str) -> Schema:
    return {"type": "string", "maxLength": _LONGEST, "description": about}


def _texts(about: str) -> Schema:
    item = {"type": "string", "maxLength": _LONGEST}
    return {"type": "array", "items": item, "maxItems": 1000, "description": about}


_CURSOR = _text("Of the next part, as the last answer named it. Leave out for the first.")
_SIDES = {
    "client": _texts("Captures from between the clients and the balancer."),
    "backend": _texts("Captures from between the balancer and its backends, one per machine."),
    "lb": _texts("Instead of both: a capture with both sides, taken on the balancer."),
    "lb_address": _texts("With lb: addresses of the balancer, if the capture does not show them."),
    "lb_port": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 65535},
        "description": "With lb: ports on which the balancer takes connections.",
    },
    "clock_offset": _text('Client clock - backend clock, if it is known: "37.5s".'),
    "keylog": _texts("Files with secrets of TLS connections (SSLKEYLOGFILE)."),
}
_DETAIL = {
    "type": "string",
    "enum": ["first", "reasons", "all"],
    "description": "first: one screen (default). reasons: with evidence. all: nothing left out.",
}
_ALONE = {"captures": _texts("Captures, each shown alone."), "keylog": _SIDES["keylog"]}
_DETAILS = {
    "first": Detail.FIRST_SCREEN,
    "reasons": Detail.REASONS,
    "all": Detail.EVERYTHING,
}


def compare(desk: Desk, given: Arguments) -> str:
    """What the balancer did."""
    detail = _DETAILS[given.get("detail", "first")]
    return _page(_compared(desk, given), View(WIDTH, detail, command=_typed(given)))


def show(desk: Desk, given: Arguments) -> str:
    """What captures show, each alone."""
    detail = _DETAILS[given.get("detail", "first")]
    return _page(_shown(desk, given), View(WIDTH, detail, command=_typed(given)))


def problems(desk: Desk, given: Arguments) -> str:
    """All that is wrong, one after the other."""
    result = _shown(desk, given) if given.get("captures") else _compared(desk, given)
    if not result.problems:
        return _page(result, View(WIDTH, Detail.PROBLEMS, command=_typed(given)))
    view = View(WIDTH, Detail.EVERYTHING, command=_typed(given))
    pages = (
        _page(result, replace(view, detail=Detail.FIRST_SCREEN, zoom=f"P{number}"))
        for number, _ in enumerate(result.problems, 1)
    )
    return "\n\n".join(page.strip("\n") for page in pages)


def pair(desk: Desk, given: Arguments) -> str:
    """One exchange, or one problem, in full."""
    result = _shown(desk, given) if given.get("captures") else _compared(desk, given)
    view = View(WIDTH, Detail.EVERYTHING, command=_typed(given), zoom=given["name"])
    return _page(result, view)


def frame(desk: Desk, given: Arguments) -> str:
    """Packets, layer by layer."""
    from lbtrace.capture import read
    from lbtrace.cli.frame import frame_numbers, frame_of
    from lbtrace.render.terminal.frames import FramesWanted, write_frames

    path = desk.roots.file(given["capture"])
    numbers = frame_numbers(list(map(str, given["frames"])))
    if len(numbers) > MOST_FRAMES:
        raise OptionError(
            "too-many-frames", f"At most {MOST_FRAMES} frames at once.", "Ask for fewer."
        )
    recording = read([path], quiet)
    frames = [frame_of(recording, number, given["capture"]) for number in numbers]
    out = StringIO()
    write_frames(frames, out, View(WIDTH), FramesWanted(bool(given.get("hex"))))
    return out.getvalue()


def check(desk: Desk, given: Arguments) -> str:
    """Whether the balancer does what it must."""
    from lbtrace.behaviour import stored
    from lbtrace.expect import standard
    from lbtrace.render.check import get_format as format_of

    if not any(given.get(name) for name in ("expect", "profile", "baseline")):
        raise OptionError("nothing-expected", "check needs expect, profile or baseline.")
    expect, baseline = (
        desk.roots.file(given[name]) if given.get(name) else None for name in ("expect", "baseline")
    )
    wanted = standard(
        expect, given.get("profile") or None, None if baseline is None else stored(baseline)
    )
    behaviour = _compared(desk, given).behaviour
    assert behaviour is not None
    found = wanted.check(behaviour, given.get("min_exchanges", 1))
    out = StringIO()
    format_of("terminal").write(replace(found, command=_typed(given)), out, View(WIDTH))
    return out.getvalue()


def diff(desk: Desk, given: Arguments) -> str:
    """How two runs differ."""
    from lbtrace.behaviour import compared
    from lbtrace.render.diff import DiffResult
    from lbtrace.render.diff import get_format as format_of

    before, after = (_behaviour(desk, given[name]) for name in ("a", "b"))
    result = DiffResult(
        (given["a"], given["b"]), compared(before, after), (before.undecided, after.undecided)
    )
    out = StringIO()
    format_of("terminal").write(result, out, View(WIDTH))
    return out.getvalue()


def explain(_desk: Desk, given: Arguments) -> str:
    """What a finding means."""
    from lbtrace.cli.explain import explained, listed
    from lbtrace.findings import finding_of

    slug = given.get("slug", "")
    if not slug:
        return "\n".join(listed())
    return "\n".join(explained(finding_of(slug), slug.partition(".")[2]))


def captures(desk: Desk, _given: Arguments) -> str:
    """The files below the roots that begin as captures do."""
    from lbtrace.render.wording.escape import shown

    listed = [f"{path} ({size} bytes)" for path, size in desk.roots.listed(MOST_FILES)]
    return "\n".join(map(shown, listed)) or "There is no capture below the roots."


def _compared(desk: Desk, given: Arguments) -> Report:
    """The captures of both sides → the Report, kept from before or new."""
    from lbtrace.pipeline import compare as run
    from lbtrace.pipeline import compare_on_balancer
    from lbtrace.points import points_of

    client, lb = (desk.roots.captures(given.get(name) or ()) for name in ("client", "lb"))
    backends = [desk.roots.captures([path]) for path in given.get("backend") or ()]
    addresses, ports = (tuple(given.get(name) or ()) for name in ("lb_address", "lb_port"))
    check_lb(lb, addresses, (*client, *(path for each in backends for path in each)), ports)
    options = _options(desk, given)
    behind = [path for each in backends for path in each]
    if not lb and not (client and behind):
        raise OptionError(
            "side-missing",
            "Captures of each side are needed: client and backend, or lb.",
            "For one capture alone: the tool `show`.",
        )

    def find() -> Report:
        if lb:
            return compare_on_balancer(lb, addresses, options, quiet, ports)
        return run(
            points_of([client], Side.CLIENT, quiet),
            points_of(backends, Side.BACKEND, quiet),
            options,
        )

    question = ("compare", len(client), tuple(map(len, backends)), addresses, ports, options)
    return desk.results.of(question, [*client, *behind, *lb, *options.keylogs], find)


def _shown(desk: Desk, given: Arguments) -> CaptureReport:
    from lbtrace.pipeline import show as run
    from lbtrace.points import points_of_any_side

    files = desk.roots.captures(given.get("captures") or ())
    if not files:
        raise OptionError("input-missing", "Name at least one capture.")
    options = _options(desk, given)
    return desk.results.of(
        ("show", len(files), options),
        [*files, *options.keylogs],
        lambda: run(points_of_any_side(files, quiet), options),
    )


def _options(desk: Desk, given: Arguments) -> Options:
    offset = given.get("clock_offset")
    return Options(
        clock_offset_ns=parse_offset(offset) if offset else None,
        keylogs=tuple(desk.roots.file(path) for path in given.get("keylog") or ()),
    )


def _behaviour(desk: Desk, path: str) -> Behaviour:
    """Of a report, or of a folder with captures named client* and backend*."""
    from lbtrace.behaviour import stored

    if not desk.roots.is_folder(path):
        return stored(desk.roots.file(path))
    files = desk.roots.folder_files(path)
    named = {
        side: [real for name, real in files if name.startswith(side) and ".pcap" in name]
        for side in ("client", "backend")
    }
    if not all(named.values()):
        raise InputError(
            "no-captures",
            f"{path}: it needs captures whose names begin with client and with backend.",
        )
    found = _compared(desk, named).behaviour
    assert found is not None
    return found


def _page(result: Report | CaptureReport, view: View) -> str:
    """As at the terminal, masked."""
    out = StringIO()
    written = get_format("terminal")
    if isinstance(result, Report):
        written.write_report(result, out, view)
    else:
        written.write_trace(result, out, view)
    return out.getvalue()


def _typed(given: Arguments) -> str:
    """What a person would type for the same."""
    keylogs = given.get("keylog") or ()
    if given.get("captures"):
        return shlex.join(["lbtrace", "show", *given["captures"], *typed(keylogs=keylogs)])
    words = typed(
        given.get("client") or (),
        given.get("backend") or (),
        given.get("lb") or (),
        given.get("lb_address") or (),
        given.get("lb_port") or (),
        given.get("clock_offset"),
        keylogs,
    )
    return shlex.join(["lbtrace", "compare", *words])


TOOLS = (
    Tool("captures", "List the captures that may be read.", captures, {}),
    Tool(
        "compare",
        "Compare captures from both sides of a load balancer: what it is, what it did, and what is "
        "wrong, each with its frames.",
        compare,
        _SIDES | {"detail": _DETAIL},
    ),
    Tool(
        "show",
        "Show captures, each alone: what is wrong in it, its connections and HTTP exchanges.",
        show,
        _ALONE | {"detail": _DETAIL},
        ("captures",),
    ),
    Tool(
        "problems",
        "All problems of a comparison (client and backend, or lb), or of captures alone, in full, "
        "the gravest first, with evidence and remedy.",
        problems,
        _SIDES | _ALONE,
    ),
    Tool(
        "pair",
        "One exchange or one problem in full: both heads side by side, the attempts, the ladder of "
        "packets.",
        pair,
        _SIDES | _ALONE | {"name": _text('As the other answers name it: "12", "u3", "P1".')},
        ("name",),
    ),
    Tool(
        "frame",
        "Packets of a capture, layer by layer, by their numbers in Wireshark.",
        frame,
        {
            "capture": _text("The capture."),
            "frames": {
                "type": "array",
                "items": {"type": ["string", "integer"], "maxLength": 40},
                "maxItems": MOST_FRAMES,
                "description": f'Numbers and ranges: 14, "20-25"; at most {MOST_FRAMES} frames.',
            },
            "hex": {"type": "boolean", "description": "The bytes, too."},
        },
        ("capture", "frames"),
    ),
    Tool(
        "check",
        "Does the balancer do what it must? Each expectation holds, failed, or is inconclusive.",
        check,
        _SIDES
        | {
            "expect": _text("A file of expectations, like lb.toml."),
            "profile": _text("The id of a known balancer: it must behave as documented."),
            "baseline": _text("A JSON report of a good run."),
            "min_exchanges": {
                "type": "integer",
                "minimum": 0,
                "description": "With fewer exchanges the check is inconclusive. Default: 1.",
            },
        },
    ),
    Tool(
        "diff",
        "How do two balancers, or two runs of one, differ?",
        diff,
        {
            name: _text("A folder with captures named client* and backend*, or a JSON report.")
            for name in ("a", "b")
        },
        ("a", "b"),
    ),
    Tool(
        "explain",
        "What a finding means, how it is decided, and what to do. Without slug: all findings.",
        explain,
        {"slug": _text("As in reports: keep-alive-race, redirects.loop.")},
        reads=False,
    ),
)
