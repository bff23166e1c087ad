"""When to order a certificate, and when again after a failure. Times are seconds since 1970."""

from datetime import UTC, datetime

from cryptography import x509

_RENEW_AFTER = 2 / 3  # of its life: of 90 days, a month is left to notice and mend what fails
_LATEST_AFTER = 5 / 6  # whatever the authority suggests
_FIRST_WAIT_SECONDS = 300.0
_WAIT_FACTOR = 3.0
_LONGEST_WAIT_SECONDS = 43_200.0  # authorities count failures by the hour; this is far below what any of them bears


def due_at(pem: bytes, names: tuple[str, ...], suggested: float | None = None) -> float:
    """Return when to order one in the place of this; 0, which is at once, where it is not what is wanted.

    pem: certificate and more. names: that it must have. suggested: by the authority (RFC 9773), or None.
    """
    leaf = x509.load_pem_x509_certificates(pem)[0]
    if is_own_making(leaf) or set(_names(leaf)) != set(names):
        return 0.0
    begin, end = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    usual = begin + (end - begin) * _RENEW_AFTER
    return usual if suggested is None else min(suggested, begin + (end - begin) * _LATEST_AFTER)


def wait_after(failures: int, draw: float) -> float:
    """Return the seconds until the next order. failures: in a row, 1 at least. draw: 0 to 1, so that relays differ."""
    longest = min(_FIRST_WAIT_SECONDS * _WAIT_FACTOR ** min(failures - 1, 10), _LONGEST_WAIT_SECONDS)
    return longest * (0.8 + 0.2 * draw)


def is_own_making(leaf: x509.Certificate) -> bool:
    """Whether nobody but ourselves issued it."""
    return leaf.issuer == leaf.subject


def moment(seconds: float) -> str:
    """Return a time as the log has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in sans.get_values_for_type(x509.DNSName)]
