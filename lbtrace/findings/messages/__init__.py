"""What requests and responses carry, and what is changed, lost or refused on the way."""
