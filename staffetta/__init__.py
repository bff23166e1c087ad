"""Staffetta: a self-hosted SMTP relay. Where a line belongs: docs/design.md."""

__version__ = "0.1.0"
