"""The Behaviour of each sample, made once."""

from __future__ import annotations

from functools import cache

from lbtrace.cli.demo import sample_files, sample_keylogs, sample_names, samples_folder
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.report import Report
from lbtrace.options import Options
from lbtrace.pipeline import compare


def samples() -> list[str]:
    """The names of all samples."""
    return sample_names(samples_folder())


@cache
def report_of(sample: str) -> Report:
    """The report of a sample, with the keys that it brings."""
    clients, backends = sample_files(samples_folder(), sample)
    keys = tuple(sample_keylogs(samples_folder(), sample))
    return compare([clients], backends, Options(keylogs=keys))


def behaviour_of(sample: str) -> Behaviour:
    """The Behaviour of a sample."""
    behaviour = report_of(sample).behaviour
    assert behaviour is not None
    return behaviour
