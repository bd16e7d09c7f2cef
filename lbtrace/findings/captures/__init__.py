"""The captures: what they hold, where they were taken, and what they leave out."""
