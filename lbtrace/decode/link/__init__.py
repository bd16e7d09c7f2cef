"""One file per link type."""
