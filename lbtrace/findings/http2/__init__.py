"""HTTP/2 and gRPC: streams, limits, control frames and calls."""
