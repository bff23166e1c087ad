"""Asking over HTTPS: one way to make a client, so that each verifies, waits no longer than it may, and stays direct.

Rule 1: the system's authorities are trusted (OpenSSL's places, SSL_CERT_FILE among them), and names are checked.
Rule 2: proxies of the environment are not used: where mail and tokens go is said by the settings alone.
Rule 3: redirects are not followed: whoever is asked answers.
"""

import ssl
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx2

_CONNECTIONS_MAX = 100
_IDLE_SECONDS = 4.0  # less than far ends keep one, so that a request is seldom written to one just closed


def https_client(*, connect_seconds: float, reply_seconds: float) -> httpx2.AsyncClient:
    """Return a client for the running event loop; close it with `aclose()`.

    connect_seconds: for the connection with its handshake. reply_seconds: for each wait on a connection.
    """
    return httpx2.AsyncClient(
        verify=_trust(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(reply_seconds, connect=connect_seconds),
        limits=httpx2.Limits(max_connections=_CONNECTIONS_MAX, keepalive_expiry=_IDLE_SECONDS),
        headers={"User-Agent": "Staffetta"},
    )


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Reading the authorities takes tens of milliseconds, so it is done once."""
    return ssl.create_default_context()


def retry_after(answer: httpx2.Response, now: float) -> float | None:
    """Return the seconds that a server asks to wait (RFC 9110 §10.2.3), in either form; None where it does not say."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    return _seconds_until(text, now)


def _seconds_until(text: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None
