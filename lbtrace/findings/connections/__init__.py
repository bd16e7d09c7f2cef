"""TCP connections: how they are opened, reused, disturbed and ended."""
