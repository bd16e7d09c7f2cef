"""Tasks → their results, done here or on a cluster.

A task is a function and its argument, and the file that its result is kept in. Whoever does it
writes that file, so all that goes through the engine is names of files. A task whose result is
there is not done again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from lbtrace import side_by_side
from lbtrace._version import __version__
from lbtrace.errors import InputError, LbtraceError, OptionError
from lbtrace.fleet import store
from lbtrace.machine_memory import let_go
from lbtrace.options import Progress

DASK: Final = "dask://"
_RETRIES: Final = 3  # of a task whose worker was lost


@dataclass(frozen=True, slots=True)
class Task:
    """`function(argument)` is to be kept in the file `path`. `size`: bytes that it reads, by which
    work is shared out.
    """

    function: Callable[[Any], object]
    argument: Any
    path: str
    size: int = 0


class Engine(Protocol):
    """Who does tasks."""

    name: str

    def do(self, what: str, tasks: Sequence[Task], progress: Progress) -> None:
        """Do the tasks, in any order. The first error of any is raised."""

    def close(self) -> None:
        """Nothing more will be asked."""


def done(tasks: Sequence[Task], engine: Engine, what: str, progress: Progress) -> list[Any]:
    """The results of tasks, those that are missing done by an engine."""
    missing = [task for task in tasks if not os.path.exists(task.path)]
    progress(what, 1 - len(missing) / max(len(tasks), 1))
    if missing:
        engine.do(what, missing, progress)
    return [store.read(task.path) for task in tasks]


def perform(task: Task) -> tuple[str, str, str] | None:
    """Do a task. What is wrong with its input is returned (slug, message, hint), because it must
    come back from another machine.
    """
    try:
        if not os.path.exists(task.path):
            store.write(task.path, task.function(task.argument))
            let_go()
    except LbtraceError as error:
        return error.slug, error.message, error.hint
    return None


def _raised(failed: tuple[str, str, str] | None) -> None:
    if failed is not None:
        raise InputError(*failed)


class Local:
    """This process, and others that it forks."""

    name = "local"

    def __init__(self, jobs: int = 1) -> None:
        self._jobs = jobs

    def do(self, what: str, tasks: Sequence[Task], progress: Progress) -> None:
        """Do the tasks here."""
        so_far = 0

        def work(k: int, _: Progress) -> tuple[str, str, str] | None:
            nonlocal so_far
            failed = perform(tasks[k])
            so_far += 1
            progress(what, so_far / len(tasks))
            return failed

        sizes = [task.size for task in tasks]
        for failed in side_by_side.results(work, sizes, self._jobs, progress):
            _raised(failed)

    def close(self) -> None:
        """Nothing is open."""


class Dask:
    """The workers of a Dask cluster (futures only). They see the captures and the output folder
    under the same paths as this process.
    """

    name = "dask"

    def __init__(self, address: str) -> None:
        """`address`: host and port of the scheduler."""
        try:
            self._distributed: Any = import_module("distributed")
        except ImportError as error:
            raise OptionError(
                "dask-missing",
                "--engine dask:// needs Dask.",
                'Install it: pip install "lbtrace[fleet]".',
            ) from error
        try:
            self._client: Any = self._distributed.Client(
                f"tcp://{address}", timeout=10, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise OptionError(
                "dask-unreachable",
                f"--engine {DASK}{address}: no scheduler answers there.",
                "Write the host and port that `dask scheduler` shows, like dask://10.0.0.5:8786.",
            ) from error
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """OptionError when the workers have another lbtrace."""
        found = set(self._client.run(version, on_error="return").values())
        others = sorted(str(each) for each in found if each != __version__)
        if others:
            raise OptionError(
                "dask-other-version",
                f"A worker has another lbtrace than this one, {__version__}: {others[0]}.",
                "Install the same version on all workers.",
            )

    def do(self, what: str, tasks: Sequence[Task], progress: Progress) -> None:
        """Do the tasks on the cluster."""
        futures = self._client.map(perform, tasks, pure=False, retries=_RETRIES)
        complete = self._distributed.as_completed(futures, loop=self._client.loop)
        try:
            for number, future in enumerate(complete, 1):
                _raised(future.result())
                progress(what, number / len(tasks))
        finally:
            self._client.cancel(futures)

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()


def version() -> str:
    """The version of lbtrace where this runs."""
    return __version__


def engine_named(text: str, jobs: int) -> Engine:
    """ "local" or "dask://host:port" → the engine. OptionError when it is neither, or not there."""
    if text == Local.name:
        return Local(jobs)
    if text.startswith(DASK) and len(text) > len(DASK):
        return Dask(text[len(DASK) :])
    raise OptionError(
        "bad-engine", f"--engine {text}: no engine.", "Write local, or dask://HOST:PORT."
    )
