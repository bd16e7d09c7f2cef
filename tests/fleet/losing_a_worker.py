"""`python -m tests.fleet.losing_a_worker PLAN RESULT`: a fleet on a cluster of two workers on
loopback, of which one is killed while shards are read.

It is a process of its own, because a cluster leaves threads behind, and a process with threads must
not fork. PLAN is a pickled Plan. RESULT becomes the pickled number of workers that were killed and
the report.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from distributed import LocalCluster

from lbtrace.fleet.engine import Dask
from lbtrace.fleet.plan import Plan
from lbtrace.fleet.run import run
from lbtrace.model.fleet import FleetReport


def found(plan: Plan) -> tuple[int, FleetReport]:
    """How many workers were killed, and what was found all the same."""
    killed: list[int] = []
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        engine = Dask(cluster.scheduler_address.removeprefix("tcp://"))
        pids = sorted(engine._client.run(os.getpid).values())

        def progress(what: str, fraction: float) -> None:
            if what == "reading shards" and 0 < fraction < 1 and not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        try:
            report = run(plan, engine, progress)
        finally:
            engine.close()
    return len(killed), report


if __name__ == "__main__":
    asked, result = map(Path, sys.argv[1:])
    result.write_bytes(pickle.dumps(found(pickle.loads(asked.read_bytes()))))
