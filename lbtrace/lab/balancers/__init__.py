"""Real load balancers: one file each, with its `BALANCERS`: configuration, start, version, and how
to read its own log.
"""
