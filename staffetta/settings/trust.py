"""Certificate authorities as connectors name them: `public`, `own`, or one of the settings; read from their files.

A file that has changed is seen within ten seconds, so that a revoked certificate needs no reload.
"""

import ssl
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from staffetta.settings.model import Settings
from staffetta.settings.objects import OWN_TRUST, PUBLIC_TRUST

_LOOK_AGAIN_SECONDS = 10.0
_KEPT = 64

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Authority:
    """Who may have issued a certificate.

    revocation_lists: None where none are configured. trouble: why it cannot be used, and what to do; None if it can.
    """

    name: str
    certificates: tuple[x509.Certificate, ...] = ()
    revocation_lists: tuple[x509.CertificateRevocationList, ...] | None = None
    trouble: str | None = None


@dataclass(slots=True)
class _Kept:
    authority: Authority
    stamp: Stamp
    looked_at: float


_kept: dict[tuple[str, Path | None, Path | None], _Kept] = {}
_lock = threading.Lock()


def authority(name: str, settings: Settings, at: float) -> Authority:
    """Return the authority of that name. Never raises: one that cannot be used says so. at: seconds since 1970."""
    certificates, lists = _files(name, settings)
    key = (name, certificates, lists)
    with _lock:
        kept = _kept.get(key)
        if kept is not None and 0 <= at - kept.looked_at < _LOOK_AGAIN_SECONDS:
            return kept.authority
        stamp = (_stamp(certificates), _stamp(lists))
        if kept is not None and kept.stamp == stamp:
            kept.looked_at = at
            return kept.authority
        while len(_kept) >= _KEPT:
            _kept.pop(next(iter(_kept)))
        found = _read(name, certificates, lists)
        _kept[key] = _Kept(found, stamp, at)
        return found


def _files(name: str, settings: Settings) -> tuple[Path | None, Path | None]:
    """Where the certificates and the revocation lists are; None: nowhere."""
    if name == PUBLIC_TRUST:
        return _public(), None
    if name == OWN_TRUST:
        return settings.data_dir / "ca" / "ca.pem", settings.data_dir / "ca" / "crl.pem"
    for declared in settings.trusted_authorities:
        if declared.name == name:
            return declared.certificates, declared.revocation_lists
    return None, None


def _public() -> Path | None:
    found = ssl.get_default_verify_paths().cafile
    return Path(found) if found else None


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def _read(name: str, certificates: Path | None, lists: Path | None) -> Authority:
    if certificates is None:
        return Authority(name, trouble=_nowhere(name))
    try:
        with warnings.catch_warnings():
            # Some roots of the world have serial numbers that RFC 5280 would not have allowed; they count all the same.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = x509.load_pem_x509_certificates(certificates.read_bytes())
    except (OSError, ValueError) as error:
        return Authority(name, trouble=_unreadable(name, "certificates", certificates, error))
    if lists is None or (name == OWN_TRUST and not lists.exists()):  # the first `ca revoke` makes the list
        return Authority(name, tuple(found))
    try:
        revoked = _revocation_lists(lists.read_bytes())
    except (OSError, ValueError) as error:
        return Authority(name, trouble=_unreadable(name, "revocation lists", lists, error))
    return Authority(name, tuple(found), revoked)


def _revocation_lists(pem: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    end = b"-----END X509 CRL-----"
    blocks = [block + end for block in pem.split(end)[:-1]]
    if not blocks:
        raise ValueError("it holds no `BEGIN X509 CRL`")
    return tuple(x509.load_pem_x509_crl(block.strip()) for block in blocks)


def _nowhere(name: str) -> str:
    if name == PUBLIC_TRUST:
        return (
            "this machine has no list of public certificate authorities; "
            "install its package ca-certificates, or set SSL_CERT_FILE"
        )
    return f"there is no trusted authority {name!r}; add it to trusted_authorities, or name `public` or `own`"


def _unreadable(name: str, what: str, path: Path, error: Exception) -> str:
    if name == OWN_TRUST and isinstance(error, FileNotFoundError):
        return f"the built-in authority has not been made yet ({path}); make it with `staffetta ca init`"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"the {what} of authority {name!r} cannot be read from {path}: {reason}"
