"""Decide when to try. How a message is carried is the courier's business, and the courier is handed in."""
