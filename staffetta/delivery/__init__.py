"""Carry a consignment to the next hop: the courier that the queue is given."""
