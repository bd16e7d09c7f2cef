"""Who the client is, as the backend sees it."""
