"""Captures of any size, and what reading them costs next to other programs: `python -m tests.bench
--help`.
"""
