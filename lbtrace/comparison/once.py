"""A question that several judges ask of a Comparison → it is worked out once.

The answer is kept by the Comparison, and goes with it. Invariant: nobody changes an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from lbtrace.comparison.sides import Sides

_Of = TypeVar("_Of", bound=Sides)
_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def once(
    ask: Callable[Concatenate[_Of, _Given], _Answer],
) -> Callable[Concatenate[_Of, _Given], _Answer]:
    """The same question. What else it is given must be hashable, and stand in its place."""

    @wraps(ask)
    def asked(comparison: _Of, /, *given: _Given.args, **named: _Given.kwargs) -> _Answer:
        known = comparison.answers
        key = (ask, given, *named.items())
        if key not in known:
            known[key] = ask(comparison, *given, **named)
        answer: _Answer = known[key]
        return answer

    return asked
