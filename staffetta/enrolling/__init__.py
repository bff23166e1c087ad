"""A certificate of our own from an authority that speaks ACME: ordered, kept and renewed."""
