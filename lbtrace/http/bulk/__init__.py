"""HTTP/1.x, many messages at once: sound connections are read as columns, without a parser."""
