"""A module with a fault, and the same module imported without it → the live functions get the code
of the fault: nothing is imported again.

Only what runs when a function is called can be exchanged. A fault in what runs at import (a
constant, a default, a class body) needs the module anew; `exchange` then changes nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

Functions = dict[tuple[str, str], list[FunctionType]]


def live(folder: Path) -> Functions:
    """(file, qualified name) → the functions there are of the files under `folder`."""
    found: Functions = {}
    start = f"{folder}/"
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(start):
            code = thing.__code__
            found.setdefault((code.co_filename, code.co_qualname), []).append(thing)
    return found


def exchange(path: Path, before: str, after: str, functions: Functions) -> bool:
    """Give the functions of a module the code of its source `after`; whether that is all that
    differs from `before`.
    """
    old = compile(before, str(path), "exec", dont_inherit=True)
    new = compile(after, str(path), "exec", dont_inherit=True)
    if [_at_import(code) for code in bodies(old)] != [_at_import(code) for code in bodies(new)]:
        return False
    ours, others = list(_functions(old)), list(_functions(new))
    if [code.co_qualname for code in ours] != [code.co_qualname for code in others]:
        return False  # a function within a function is gone with a statement that was left out
    known = {(code.co_qualname, code) for code in ours}
    changed: list[tuple[FunctionType, CodeType]] = []
    for mine, theirs in zip(ours, others, strict=True):
        if mine == theirs:
            continue
        for function in functions.get((str(path), mine.co_qualname), ()):
            if function.__code__ == mine:
                changed.append((function, theirs))
            elif (mine.co_qualname, function.__code__) not in known:
                return False  # it is not what the source makes: something has rewritten it
    if any(len(f.__code__.co_freevars) != len(code.co_freevars) for f, code in changed):
        return False
    for function, code in changed:
        function.__code__ = code
    return bool(changed)


def _parts(code: CodeType) -> list[CodeType]:
    return [part for part in code.co_consts if isinstance(part, CodeType)]


def _is_body(code: CodeType) -> bool:
    """Runs at import, as modules and the bodies of classes do."""
    return not code.co_flags & 1  # CO_OPTIMIZED, set for functions


def bodies(code: CodeType) -> Iterator[CodeType]:
    """What runs at import: a module, and the bodies of the classes in it."""
    if _is_body(code):
        yield code
        for part in _parts(code):
            yield from bodies(part)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """All functions, those within functions too."""
    for part in _parts(code):
        if not _is_body(part):
            yield part
        yield from _functions(part)


def _at_import(code: CodeType) -> object:
    """What a body does, but for the code of its functions."""
    others = [repr(part) for part in code.co_consts if not isinstance(part, CodeType)]
    return code.co_code, code.co_names, others, len(_parts(code))
