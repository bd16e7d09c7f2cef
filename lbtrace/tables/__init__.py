"""Tables of columns: packets, connections, exchanges, sides and pairs. No row is an object."""
