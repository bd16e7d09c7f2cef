"""`lbtrace`, and `python -m lbtrace`: the command line.

Loading it takes a moment, in which Ctrl-C ends the process as the shell expects (130), without a
word; from then on `lbtrace.cli` answers it.
"""

import signal


def main() -> None:
    """Run the command line and end the process with its exit code."""
    answers = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored
    if answers:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lbtrace.cli import main as run

    if answers:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
