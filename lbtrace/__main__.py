"""`python -m lbtrace`: the command line."""

from lbtrace.cli import main

main()
