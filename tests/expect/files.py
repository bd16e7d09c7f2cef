"""Files of expectations for tests, and what became of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from lbtrace.expect import judge, read
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.expectation import Fulfilment, Outcome

DAY = date(2026, 11, 29)


def outcomes(text: str, behaviour: Behaviour, day: date = DAY) -> tuple[Outcome, ...]:
    """The outcomes of a file with this text."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lb.toml"
        path.write_text(text, "utf-8")
        return judge(read(str(path)), behaviour, day)


def judgement(key: str, value: str, behaviour: Behaviour) -> Fulfilment:
    """What becomes of one key; `value` as TOML."""
    table, _, name = key.rpartition(".")
    (outcome,) = outcomes(f"[{table}]\n{name} = {value}\n", behaviour)
    return outcome.answer
