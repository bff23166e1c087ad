"""When certificates end: those we listen with and show to next hops, the authorities trusted, and those that we issued.

A certificate that ends unseen stops mail on a Sunday. So each is a row, a metric, and, from a month before, a warning.
Tolerances of old devices end as well; of them there are metric and warning alone.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from staffetta import metrics
from staffetta.net.client_tls import read_identity
from staffetta.operations.ledger import Entry, Folder
from staffetta.operations.registry import OperationError
from staffetta.settings.model import Listener, Settings
from staffetta.settings.roads import Route
from staffetta.settings.secrets import SecretUnavailable, read_secret

WARN_DAYS = (30, 14, 7, 1)
LOOK_SECONDS = 3600.0

_log = structlog.get_logger()


class Use(StrEnum):
    """What a certificate is for; values of the metric's label `use`."""

    LISTENER = "listener"
    CONSOLE = "console"
    ROUTE = "route"
    OWN_AUTHORITY = "own authority"
    AUTHORITY = "trusted authority"
    ISSUED = "issued"


class Condition(StrEnum):
    """REPLACED: a newer one of the same name was issued. UNREADABLE: the file is not there or holds no certificate."""

    VALID = "valid"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REPLACED = "replaced"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One certificate. name: of the listener, route or authority, or the first one in an issued certificate.

    names: its SAN dNSNames, of an authority its subject. expires: UTC, ISO 8601; days_left: whole days, below 0 when it
    has expired; None where unreadable, and note says why. serial: hexadecimal. fingerprint: SHA-256, as openssl has it.
    """

    use: Use
    name: str
    names: tuple[str, ...]
    condition: Condition
    expires: str | None = None
    days_left: int | None = None
    serial: str | None = None
    fingerprint: str | None = None
    note: str | None = None


def certificates(settings: Settings, now: datetime) -> Sequence[CertificateRow]:
    """Return every certificate that this relay has to do with; the issued ones by name, then by age. now: aware."""
    rows: list[CertificateRow] = []
    for listener in settings.listeners:
        row = next(_in_file(Use.LISTENER, listener.name, certificate_of(listener, settings), now))
        if listener.certificate or row.condition is not Condition.UNREADABLE:  # ours is made at the first start
            rows.append(row)
    if settings.console is not None and settings.console.certificate is not None:
        rows += list(_in_file(Use.CONSOLE, "console", settings.console.certificate, now))[:1]
    rows += [_shown_by(route, now) for route in settings.routes if route.client_certificate is not None]
    for authority in settings.trusted_authorities:
        rows += _in_file(Use.AUTHORITY, authority.name, authority.certificates, now)
    try:
        return [*rows, *_own(Folder.of(settings), now)]
    except OperationError as error:
        return [*rows, CertificateRow(Use.OWN_AUTHORITY, "own", (), Condition.UNREADABLE, note=str(error))]


def certificate_of(listener: Listener, settings: Settings) -> Path:
    """Return where a listener's certificate is: as the settings say, or where we make one at the first start."""
    return listener.certificate or settings.data_dir / "tls" / "self-signed.pem"


class ExpiryWatch:
    """Keeps the metric, and warns 30, 14, 7 and 1 days before the end, then every day for a month."""

    def __init__(self, get_settings: Callable[[], Settings], get_now: Callable[[], datetime]) -> None:
        self._get_settings = get_settings
        self._get_now = get_now
        self._warned: set[tuple[str | None, int]] = set()
        self._has_news = asyncio.Event()

    def look_again(self) -> None:
        """Look now: a certificate is another one."""
        self._has_news.set()

    async def run(self) -> None:
        """Look at once, then every hour and when told, until cancelled."""
        while True:
            self._has_news.clear()
            self.look(await asyncio.to_thread(certificates, self._get_settings(), self._get_now()))
            self.look_at_tolerances(self._get_settings(), self._get_now().astimezone(UTC).date())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._has_news.wait()

    def look(self, rows: Sequence[CertificateRow]) -> None:
        """Set the metric to these rows, and warn of what has not been warned of yet."""
        metrics.CERTIFICATE_EXPIRY.clear()
        soonest: dict[tuple[str, str], float] = {}
        for row in rows:
            if row.condition is Condition.UNREADABLE:
                self._warn(row, 0, "certificate cannot be read")
            elif row.expires is not None and row.condition not in (Condition.REVOKED, Condition.REPLACED):
                expires = datetime.fromisoformat(row.expires).timestamp()
                soonest[row.use, row.name] = min(expires, soonest.get((row.use, row.name), expires))
                self._warn_of_the_end(row)
        for (use, name), expires in soonest.items():
            metrics.CERTIFICATE_EXPIRY.labels(use, name).set(expires)

    def look_at_tolerances(self, settings: Settings, today: date) -> None:
        """Set the metric of when tolerances end, and warn before: old devices then stop sending."""
        metrics.TOLERANCE_END.clear()
        for profile in settings.tolerances:
            days_left = (profile.until - today).days
            end = datetime.combine(profile.until + timedelta(days=1), time(), UTC)
            metrics.TOLERANCE_END.labels(profile.name).set(end.timestamp())
            stage = min((days for days in WARN_DAYS if days_left <= days), default=None)
            key = (f"tolerance {profile.name}", stage if days_left >= 0 and stage is not None else -1)
            if stage is not None and key not in self._warned:
                self._warned.add(key)
                event = "tolerance has ended" if days_left < 0 else "tolerance ends soon"
                _log.warning(event, name=profile.name, until=profile.until.isoformat(), days_left=days_left)

    def _warn_of_the_end(self, row: CertificateRow) -> None:
        assert row.days_left is not None
        if row.days_left < 0:
            if row.days_left >= -WARN_DAYS[0]:  # later, nobody uses it any more
                self._warn(row, row.days_left, "certificate has expired")
        elif row.days_left <= WARN_DAYS[0]:
            stage = min(days for days in WARN_DAYS if row.days_left <= days)
            self._warn(row, row.days_left if stage == WARN_DAYS[-1] else stage, "certificate expires soon")

    def _warn(self, row: CertificateRow, stage: int, event: str) -> None:
        """Once for each stage; from the last day on each day is one."""
        key = (row.fingerprint or f"{row.use} {row.name}", stage)
        if key not in self._warned:
            self._warned.add(key)
            facts = {"expires": row.expires, "days_left": row.days_left, "reason": row.note}
            _log.warning(event, use=row.use.value, name=row.name, names=", ".join(row.names) or None, **facts)


def _own(folder: Folder, now: datetime) -> Sequence[CertificateRow]:
    """The private authority, and what it issued. Raises OperationError."""
    if not folder.is_there():
        return ()
    entries = folder.read_ledger().entries
    latest = {entry.name: entry.serial for entry in entries if entry.revoked_at is None}
    by_name = sorted(entries, key=lambda entry: (entry.name, entry.issued_at))
    issued = [_issued(entry, now, is_latest=latest.get(entry.name) == entry.serial) for entry in by_name]
    return [*_in_file(Use.OWN_AUTHORITY, "own", folder.certificate, now), *issued]


def _in_file(use: Use, name: str, path: Path, now: datetime) -> Iterator[CertificateRow]:
    """Yield the certificates of a PEM file, in its order."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        yield CertificateRow(use, name, (), Condition.UNREADABLE, note=f"{path}: {error.strerror}")
        return
    except ValueError:
        yield CertificateRow(use, name, (), Condition.UNREADABLE, note=f"{path} holds no PEM certificate")
        return
    for certificate in found:
        yield _row(use, name, certificate, now)


def _shown_by(route: Route, now: datetime) -> CertificateRow:
    """The certificate that a route shows, in whatever form it is kept; of its chain, the one that ends first."""
    path, key, password = route.client_certificate, route.client_key, route.client_certificate_password
    assert path is not None
    try:
        identity = read_identity(
            path.read_bytes(),
            key.read_bytes() if key is not None else None,
            read_secret(password) if password is not None else None,
        )
    except OSError as error:
        note = f"{error.filename}: {error.strerror}"
    except (ValueError, SecretUnavailable) as error:
        note = f"{path}: {error}"
    else:
        first = min((identity.certificate, *identity.chain), key=lambda each: each.not_valid_after_utc)
        return _row(Use.ROUTE, route.name, first, now)
    return CertificateRow(Use.ROUTE, route.name, (), Condition.UNREADABLE, note=note)


def _row(use: Use, name: str, certificate: x509.Certificate, now: datetime) -> CertificateRow:
    return CertificateRow(
        use,
        name,
        _names(certificate),
        _condition(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now),
        expires=_shown(certificate.not_valid_after_utc),
        days_left=_days_left(certificate.not_valid_after_utc, now),
        serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def _issued(entry: Entry, now: datetime, *, is_latest: bool) -> CertificateRow:
    condition = _condition(entry.issued_at, entry.expires_at, now) if is_latest else Condition.REPLACED
    return CertificateRow(
        Use.ISSUED,
        entry.name,
        entry.names,
        Condition.REVOKED if entry.revoked_at is not None else condition,
        expires=_shown(entry.expires_at),
        days_left=_days_left(entry.expires_at, now),
        serial=entry.serial,
        fingerprint=entry.fingerprint,
    )


def _condition(not_before: datetime, not_after: datetime, now: datetime) -> Condition:
    if now > not_after:
        return Condition.EXPIRED
    return Condition.NOT_YET_VALID if now < not_before else Condition.VALID


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _days_left(end: datetime, now: datetime) -> int:
    return (end - now) // timedelta(days=1)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # none, or one that does not parse
        attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(attribute.value) for attribute in attributes)
    return tuple(sans.get_values_for_type(x509.DNSName))
