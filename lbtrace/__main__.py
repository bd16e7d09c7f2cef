"""`lbtrace`, and `python -m lbtrace`: the command line.

Loading it takes a moment, in which Ctrl-C ends the process at once: nothing was begun that would
have to be cleaned up. From then on `lbtrace.cli` answers it, and what comes behind that is answered
here. Each time it is one line, and exit code 130. What Python does before this module is its own.

With too little memory numpy cannot be loaded, and ends the process in its own words. So the limit
is looked at first.
"""

import os
import signal
from types import FrameType

COULD_NOT_RUN = 2
INTERRUPTED = 130
LEAST_BYTES = 160_000_000  # of address space: Python, numpy and lbtrace, and a small capture


def main() -> None:
    """Run the command line and end the process with its exit code."""
    answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored
    if answers:
        signal.signal(signal.SIGINT, _end)
    limit = _limit_bytes()
    if limit is not None and limit < LEAST_BYTES:
        message = (
            f"lbtrace: this process may have {limit // 10**6} MB of memory, and lbtrace needs "
            f"{LEAST_BYTES // 10**6} MB at least. Raise the limit: ulimit -v unlimited.\n"
        )
        os.write(2, message.encode())
        os._exit(COULD_NOT_RUN)
    from lbtrace.cli import main as run

    try:
        if answers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _end()


def _limit_bytes() -> int | None:
    """The most memory that this process may ask for (setrlimit(2)); None without a limit."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _end(_number: int = 0, _frame: FrameType | None = None) -> None:
    os.write(2, b"lbtrace: interrupted.\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
