"""The story of a relay, told and played on loopback: `staffetta demo`."""
