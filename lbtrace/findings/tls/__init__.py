"""TLS: handshakes that fail, and what stays closed."""
