"""`python -m lbtrace.lab`: process 1 of an experiment (see `confine`). Not meant to be called by
hand.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from lbtrace.errors import LbtraceError


def main() -> int:
    """Record one experiment. Returns 0 when it was recorded and 2 when it could not be; then stderr
    has slug, message and hint, one a line.
    """
    from lbtrace.lab.addresses import IPV4, IPV6
    from lbtrace.lab.confine import COMPLAINT, search_path, stop_without_caller
    from lbtrace.lab.experiment import Experiment, record
    from lbtrace.lab.registry import adapted, find_balancer, find_traffic

    parser = argparse.ArgumentParser()
    parser.add_argument("balancer")
    parser.add_argument("traffic")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--snaplen", type=int, default=262144)
    parser.add_argument("--offload", action="store_true")
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--host", default="")
    parser.add_argument("--below", default="")
    o = parser.parse_args()
    os.environ["PATH"] = search_path()
    try:
        stop_without_caller()
        balancer, traffic = find_balancer(o.balancer), find_traffic(o.traffic)
        own = None
        if o.config is not None:
            own = adapted(balancer, traffic, o.config, o.host, o.below)
            traffic = replace(traffic, backends=own.backends)
        addresses = IPV6 if o.ipv6 else IPV4
        settings = o.snaplen, o.offload, o.commands, own, addresses
        record(Experiment(balancer, traffic, o.directory, *settings))
    except LbtraceError as error:
        print(f"{COMPLAINT}{error.slug}\n{error.message}\n{error.hint}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
