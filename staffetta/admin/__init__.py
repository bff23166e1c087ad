"""The web side: health, metrics and, later, operations over HTTP."""
