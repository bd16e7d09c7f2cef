"""HTTP/2: frames, header compression and streams of a connection (RFC 9113, RFC 7541)."""
