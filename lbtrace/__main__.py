"""`lbtrace`, and `python -m lbtrace`: the command line.

Loading it takes a moment, in which Ctrl-C ends the process at once: nothing was begun that would
have to be cleaned up. From then on `lbtrace.cli` answers it, and what comes behind that is answered
here. Each time it is one line, and exit code 130. What Python does before this module is its own.
"""

import os
import signal
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process with its exit code."""
    answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored
    if answers:
        signal.signal(signal.SIGINT, _end)
    from lbtrace.cli import main as run

    try:
        if answers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _end()


def _end(_number: int = 0, _frame: FrameType | None = None) -> None:
    os.write(2, b"lbtrace: interrupted.\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
