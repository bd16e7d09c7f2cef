"""`lbtrace`, and `python -m lbtrace`: the command line.

Loading it takes a moment, in which Ctrl-C ends the process as the shell expects (130), without a
word; from then on `lbtrace.cli` answers it, and what comes before or behind that is answered here.
"""

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process with its exit code."""
    answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored
    if answers:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lbtrace.cli import main as run

    try:
        if answers:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
