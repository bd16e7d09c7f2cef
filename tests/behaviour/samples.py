"""The Behaviour of each sample, made once."""

from __future__ import annotations

from functools import cache

from lbtrace.cli.demo import sample_files, sample_names, samples_folder
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.report import Report
from lbtrace.pipeline import compare


def samples() -> list[str]:
    """The names of all samples."""
    return sample_names(samples_folder())


@cache
def report_of(sample: str) -> Report:
    """The report of a sample."""
    clients, backends = sample_files(samples_folder(), sample)
    return compare([clients], backends)


def behaviour_of(sample: str) -> Behaviour:
    """The Behaviour of a sample."""
    behaviour = report_of(sample).behaviour
    assert behaviour is not None
    return behaviour
