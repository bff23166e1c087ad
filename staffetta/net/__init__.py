"""The outside world: streams, TLS, names, time; each with its fake beside it."""
