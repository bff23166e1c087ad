"""The certificates that we show to next hops: read from their files, and read again when a file has changed.

Rule 1: files are looked at whenever a connection is opened, so that a renewed certificate needs no reload.
Rule 2: keys and passwords stay in here: no log, trace or error has them.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from staffetta.net.certificate_files import Stamp, stamp_of
from staffetta.net.client_tls import ClientContext, read_identity
from staffetta.settings.roads import Route, TlsVersion
from staffetta.settings.secrets import SecretUnavailable, read_secret

_KEPT = 64


class IdentityUnavailable(Exception):
    """The certificate cannot be used now. The text names the file and says what is wrong."""


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """Where a route's client certificate is. certificate: PEM or PFX. password: by reference."""

    certificate: Path
    key: Path | None = None
    password: str | None = None


def shown_by(route: Route) -> ShownCertificate | None:
    """Return where the certificate is that a route shows, None where it shows none."""
    if route.client_certificate is None:
        return None
    return ShownCertificate(route.client_certificate, route.client_key, route.client_certificate_password)


_kept: dict[tuple[TlsVersion, ShownCertificate | None], tuple[tuple[Stamp, ...], ClientContext]] = {}
_lock = threading.Lock()


def client_context(minimum: TlsVersion, shown: ShownCertificate | None) -> ClientContext:
    """Return how we shake hands. Blocks for small files, and a PFX's password; raises IdentityUnavailable."""
    key = (minimum, shown)
    with _lock:
        stamp = _stamps(shown) if shown is not None else ()
        kept = _kept.get(key)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        while len(_kept) >= _KEPT:
            _kept.pop(next(iter(_kept)))
        context = ClientContext.make(minimum) if shown is None else _with_certificate(minimum, shown)
        _kept[key] = (stamp, context)
        return context


def _stamps(shown: ShownCertificate) -> tuple[Stamp, ...]:
    return tuple(stamp_of(path) for path in (shown.certificate, shown.key) if path is not None)


def _with_certificate(minimum: TlsVersion, shown: ShownCertificate) -> ClientContext:
    try:
        certificate = shown.certificate.read_bytes()
        key = shown.key.read_bytes() if shown.key is not None else None
        password = read_secret(shown.password) if shown.password is not None else None
        return ClientContext.make(minimum, read_identity(certificate, key, password))
    except OSError as error:
        raise IdentityUnavailable(
            f"the client certificate cannot be read: {error.filename}: {error.strerror}"
        ) from None
    except (ValueError, SecretUnavailable) as error:
        raise IdentityUnavailable(f"the client certificate {shown.certificate} cannot be used: {error}") from None
