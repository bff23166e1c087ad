"""Message trace: what happened to a message, and to what was refused."""
