"""What old devices get wrong, and may for a time where an administrator says so. One name for settings, trace, metrics.

Nothing here is ever on of itself, and never is a bare LF or CR an end of data, nor an end of a line.
"""

from enum import StrEnum


class Tolerance(StrEnum):
    OLD_TLS = "old-tls"  # TLS 1.0 and 1.1
    MISSING_HELO = "missing-helo"
    BROKEN_HELO = "broken-helo"  # no name, several words, octets that are no ASCII
    MISSING_FIELDS = "missing-fields"  # Date and Message-ID, which are added
    LONG_LINES = "long-lines"  # of content, beyond what everybody may send
    EARLY_CONTENT = "early-content"  # that does not wait for 354
