"""May it be accepted, and where does it belong: facts in, Decision out. Nothing here awaits, reads or remembers."""
