"""Keep what was accepted until it is settled. The promise is in docs/spool.md."""
