"""One file for each kind of place: see `lbtrace.live.place`."""
