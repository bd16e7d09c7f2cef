"""nginx configuration files → one tree of directives, with what they include in its place.

The files are read by crossplane. An absolute path below nginx's own folder ("/etc/nginx/conf.d")
means a folder beside the given file: the configuration of this machine's nginx is none of the
user's. Only what comes with nginx itself (`mime.types`, `*_params`) is taken from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from lbtrace.errors import OptionError
from lbtrace.lab.own import Changes, read, wrong

FOLDERS = ("/etc/nginx/", "/usr/local/etc/nginx/", "/usr/local/nginx/conf/")
PARTS = {"conf.d", "sites-available", "sites-enabled", "http.d", "templates", "snippets"}
SHIPPED = ("mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params",
           "proxy_params")  # fmt: skip
NOT_HERE = ("/etc/letsencrypt/",)  # options of TLS that a tool maintains on the machine
DEPTH = 20


@dataclass
class Directive:
    """One directive with its place; `block` is None when it ends in a semicolon."""

    name: str
    args: list[str] = field(default_factory=list)
    block: list[Directive] | None = None
    file: str = ""
    line: int = 0

    def every(self) -> Iterator[Directive]:
        """All directives below, in order."""
        for directive in self.block or ():
            yield directive
            yield from directive.every()

    def first(self, name: str) -> Directive | None:
        """The first directive of that name directly below."""
        return next((d for d in self.block or () if d.name == name), None)

    def error(self, message: str, hint: str = "") -> OptionError:
        """What cannot work about it."""
        return wrong(self.file, self.line, message, hint)

    @property
    def text(self) -> str:
        """As it is written, without its block."""
        return " ".join([self.name, *self.args])


def tree(path: Path, changes: Changes) -> Directive:
    """The whole configuration. OptionError when a file of it cannot be read."""
    base = path.parent.parent if path.parent.name in PARTS else path.parent
    return Directive("", block=_file(path, base, changes, 0))


def text_of(root: Directive) -> str:
    """The configuration as text."""
    import crossplane

    return str(crossplane.build([_payload(d) for d in root.block or ()], indent=2)) + "\n"


def _payload(directive: Directive) -> dict[str, Any]:
    found: dict[str, Any] = {"directive": directive.name, "args": directive.args, "line": 1}
    if directive.block is not None:
        found["block"] = [_payload(d) for d in directive.block]
    return found


def _file(path: Path, base: Path, changes: Changes, depth: int) -> list[Directive]:
    import crossplane
    from crossplane.errors import NgxParserBaseException

    if depth > DEPTH:
        raise wrong(path, 0, f"files include each other more than {DEPTH} deep.")
    read(path)
    try:
        _check_end(path)
        payload = crossplane.parse(
            str(path),
            catch_errors=False,
            single=True,
            strict=False,
            check_ctx=False,
            check_args=False,
        )
    except NgxParserBaseException as error:
        raise wrong(path, error.lineno or 0, f"{error.strerror}.") from error
    found = [_directive(each, str(path)) for each in payload["config"][0]["parsed"]]
    return _with_includes(found, base, changes, depth)


def _check_end(path: Path) -> None:
    """A directive that does not end is left out by crossplane without a word."""
    import crossplane

    tokens = [(text, line) for text, line, _ in crossplane.lex(str(path)) if text]
    tokens = [each for each in tokens if not each[0].startswith("#")]
    if tokens and tokens[-1][0] not in (";", "}"):
        raise wrong(path, tokens[-1][1], f'"{tokens[-1][0]}" is not followed by ; or a block.')


def _directive(parsed: dict[str, Any], file: str) -> Directive:
    block = parsed.get("block")
    return Directive(
        parsed["directive"],
        list(parsed["args"]),
        None if block is None else [_directive(each, file) for each in block],
        file,
        parsed["line"],
    )


def _with_includes(
    directives: list[Directive], base: Path, changes: Changes, depth: int
) -> list[Directive]:
    found: list[Directive] = []
    for directive in directives:
        if directive.name == "include" and directive.args:
            for path in _included(directive, base, changes):
                found += _file(path, base, changes, depth + 1)
            continue
        if directive.block is not None:
            directive.block = _with_includes(directive.block, base, changes, depth)
        found.append(directive)
    return found


def _included(directive: Directive, base: Path, changes: Changes) -> list[Path]:
    pattern = directive.args[0]
    beside = next((pattern.removeprefix(f) for f in FOLDERS if pattern.startswith(f)), pattern)
    found = [Path(name) for name in sorted(glob(str(base / beside)))]
    if found:
        return found
    name = Path(pattern).name
    shipped = Path("/etc/nginx") / name
    if name in SHIPPED:
        return [shipped] if shipped.exists() else []
    if any(sign in pattern for sign in "*?["):
        if "modules-enabled" not in pattern:
            changes.leave_out(f"include {pattern} (nothing beside the configuration matches)")
        return []
    if pattern.startswith(NOT_HERE):
        changes.leave_out(f"include {pattern}")
        return []
    raise directive.error(
        f"include {pattern}: there is no such file.", f"Put it at {base / beside}."
    )
