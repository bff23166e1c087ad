"""The private certificate authority: make it, issue, renew, revoke, export. The files are ledger.py's.

Connectors may name it as the trusted authority `own` from the moment on when it is made. Its private key never leaves
the data folder; those of the certificates leave it by export alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from staffetta.mail.address import AddressError, parse_domain
from staffetta.net.authority import Credential, Key, make_root, new_key, revocation_list, to_pfx
from staffetta.net.authority import issue as sign
from staffetta.operations.ledger import Entry, Folder, Ledger
from staffetta.operations.registry import AlreadyThere, BadValue, NotFound, OperationError
from staffetta.settings.model import Settings

DEFAULT_DAYS = 398  # the longest that browsers take of public authorities; nobody has to renew in the same month twice
_NAME_OCTETS_MAX = 200  # it is a file's name too, with a suffix


def init(settings: Settings, *, now: datetime, force: bool = False) -> Path:
    """Make the authority, and return the file of its certificate.

    force: where there is one already, put it aside as `ca-until-…`; what it issued is worth nothing from then on.
    Raises AlreadyThere, OperationError.
    """
    folder = Folder.of(settings)
    with folder.locked():
        if folder.is_there():
            if not force:
                raise AlreadyThere(
                    f"There is a private authority in {folder.path}, and clients have certificates of it. "
                    "--force puts it aside and makes another; every certificate must then be issued again."
                )
            folder.path.rename(folder.path.with_name(f"ca-until-{now:%Y%m%dT%H%M%SZ}"))
            return init(settings, now=now)
        root = make_root(f"Staffetta CA of {settings.hostname}", now)
        folder.write(folder.key, root.key_pem)
        _write_revocation_list(folder, root, Ledger(), now)
        folder.write(folder.certificate, root.certificate_pem)  # last: with it, the authority is there
    return folder.certificate


def issue(
    settings: Settings,
    name: str,
    *,
    now: datetime,
    more_names: Sequence[str] = (),
    days: int = DEFAULT_DAYS,
    is_rsa: bool = False,
    force: bool = False,
) -> Entry:
    """Issue a certificate for a client or a listener.

    name, more_names: DNS names, `*.contoso.com` among them; U-labels are taken. is_rsa: for a device that does not know
    elliptic curves. force: beside one that is valid still. Raises BadValue, AlreadyThere, NotFound, OperationError.
    """
    names = tuple(dict.fromkeys(_dns_name(each) for each in (name, *more_names)))
    folder = Folder.of(settings)
    root = folder.root()
    with folder.locked():
        valid = _in_force(folder.read_ledger(), names[0], now)
        if valid and not force:
            raise AlreadyThere(
                f"{names[0]} has a certificate until {valid[-1].expires_at:%Y-%m-%d}. "
                f"`staffetta ca renew {names[0]}` makes its successor; --force issues another, with another key."
            )
        return _sign_and_keep(folder, root, names, new_key(is_rsa=is_rsa), now, days)


def renew(settings: Settings, name: str, *, now: datetime, days: int = DEFAULT_DAYS, is_key_new: bool = False) -> Entry:
    """Issue the same names anew, for the same key unless a new one is asked for; the old certificate stays valid.

    Raises BadValue, NotFound, OperationError.
    """
    folder = Folder.of(settings)
    root = folder.root()
    with folder.locked():
        latest = _issued(folder.read_ledger(), _dns_name(name))[-1]
        if latest.revoked_at is not None:
            raise OperationError(
                f"{latest.name} was revoked, and its key with it. `staffetta ca issue {latest.name}` begins anew."
            )
        key = folder.credential(latest.name).key
        if is_key_new:
            key = new_key(is_rsa=not hasattr(key, "curve"))
        return _sign_and_keep(folder, root, latest.names, key, now, days)


def revoke(settings: Settings, name: str, *, now: datetime, serial: str | None = None) -> Sequence[Entry]:
    """Take back every certificate of a name, or the one of this serial number; return them. Twice is once.

    serial: hexadecimal, as the list shows it. Raises BadValue, NotFound, OperationError.
    """
    folder = Folder.of(settings)
    root = folder.root()
    with folder.locked():
        ledger = folder.read_ledger()
        chosen = _issued(ledger, _dns_name(name))
        if serial is not None:
            wanted = serial.replace(":", "").lower().lstrip("0")
            chosen = tuple(entry for entry in chosen if entry.serial == wanted)
            if not chosen:
                raise NotFound(f"{name} has no certificate of serial number {serial}. `staffetta ca list` shows them.")
        gone = {entry.serial for entry in chosen if entry.revoked_at is None}
        marked = [
            entry.model_copy(update={"revoked_at": now}) if entry.serial in gone else entry for entry in ledger.entries
        ]
        # Written even where nothing changed: a command that was killed may have left the list behind the ledger.
        _write_revocation_list(folder, root, ledger.model_copy(update={"entries": tuple(marked)}), now)
        serials = {entry.serial for entry in chosen}
        return [entry for entry in marked if entry.serial in serials]


def export_pfx(settings: Settings, name: str, password: str, *, is_legacy: bool = False) -> bytes:
    """Return a name's latest certificate, its key and the root as PFX. Raises BadValue, NotFound, OperationError."""
    folder = Folder.of(settings)
    root = folder.root()
    known = _dns_name(name)
    return to_pfx(folder.credential(known), root.certificate, known, password, is_legacy=is_legacy)


def export_pem(settings: Settings, name: str) -> bytes:
    """Return a name's latest certificate, the root, then the key, as PEM. Raises BadValue, NotFound, OperationError."""
    folder = Folder.of(settings)
    credential = folder.credential(_dns_name(name))
    return credential.certificate_pem + folder.root().certificate_pem + credential.key_pem


def files_of(settings: Settings, name: str) -> tuple[Path, Path]:
    """Return where a name's certificate, with the root after it, and its key are kept."""
    folder = Folder.of(settings)
    return folder.issued(name), folder.issued_key(name)


def _sign_and_keep(
    folder: Folder, root: Credential, names: tuple[str, ...], key: Key, now: datetime, days: int
) -> Entry:
    """The folder is locked."""
    days_left = (root.certificate.not_valid_after_utc - now) // timedelta(days=1)
    if not 1 <= days <= days_left:
        raise BadValue(f"--days is 1 to {days_left}, which is when the authority itself ends; not {days}.")
    credential = sign(root, names, key, now, days)
    entry = Entry(
        serial=f"{credential.certificate.serial_number:x}",
        name=names[0],
        names=names,
        fingerprint=credential.certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        issued_at=now,
        expires_at=credential.certificate.not_valid_after_utc,
    )
    ledger = folder.read_ledger()
    folder.write_ledger(ledger.model_copy(update={"entries": (*ledger.entries, entry)}))
    folder.write(folder.issued_key(entry.name), credential.key_pem)
    folder.write(folder.issued(entry.name), credential.certificate_pem + root.certificate_pem)
    return entry


def _write_revocation_list(folder: Folder, root: Credential, ledger: Ledger, now: datetime) -> None:
    """Keep the ledger, and the list that follows from it. The folder is locked."""
    number = ledger.lists_made + 1
    folder.write_ledger(ledger.model_copy(update={"lists_made": number}))
    revoked = [(int(entry.serial, 16), entry.revoked_at) for entry in ledger.entries if entry.revoked_at is not None]
    folder.write(folder.revocation_list, revocation_list(root, revoked, now, number))


def _issued(ledger: Ledger, name: str) -> tuple[Entry, ...]:
    entries = ledger.of(name)
    if not entries:
        raise NotFound(f"No certificate was issued to {name}. `staffetta ca list` shows those that were.")
    return entries


def _in_force(ledger: Ledger, name: str, now: datetime) -> tuple[Entry, ...]:
    return tuple(entry for entry in ledger.of(name) if entry.revoked_at is None and now <= entry.expires_at)


def _dns_name(text: str) -> str:
    """Return a name as it stands in a certificate: lower-case A-labels, `*` as the whole first label or not at all."""
    typed = text.strip().lower()
    host = typed.removeprefix("*.")
    try:
        domain = parse_domain(host)
    except AddressError as error:
        raise BadValue(f"“{text}” cannot be a certificate's name: {error}. Write scanner.contoso.com.") from None
    if len(domain) > _NAME_OCTETS_MAX:
        raise BadValue(f"“{text}” is longer than {_NAME_OCTETS_MAX} characters. Write a shorter one.")
    if host == typed:
        return domain
    if "." not in domain:
        raise BadValue(f"“{text}” would stand for a whole top-level domain. Write *.contoso.com.")
    return f"*.{domain}"
