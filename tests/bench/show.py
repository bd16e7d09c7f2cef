"""The lbtrace command, for a benchmark in a checkout where it is not installed."""

from lbtrace.cli import main

if __name__ == "__main__":
    main()
