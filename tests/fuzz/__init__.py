"""Arbitrary bytes into every room: `python -m tests.fuzz --help`."""
