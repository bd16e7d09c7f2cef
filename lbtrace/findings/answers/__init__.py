"""Errors and answers: who made them, what they say, and which requests got none."""
