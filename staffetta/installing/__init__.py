"""A bare server made ready: user, folders, units, settings to begin with."""
