"""The backends: which requests each gets, and how they differ."""
