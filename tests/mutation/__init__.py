"""Faults planted in a copy of the code: does a test notice? See `tests.mutation.__main__`."""
