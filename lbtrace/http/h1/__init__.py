"""HTTP/1.x, one message at a time: heads, framing and bodies of a reassembled stream (RFC 9112)."""
