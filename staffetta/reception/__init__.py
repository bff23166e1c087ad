"""Take a message from a client."""
