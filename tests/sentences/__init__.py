"""Sentences of a finished report held against the packets, by a small checker of its own."""
