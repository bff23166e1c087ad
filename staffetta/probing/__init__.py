"""Marked messages sent on purpose, followed to where they arrive: the whole chain, by hand or by the clock."""
