"""`staffetta ca`: the private certificate authority, and when every certificate ends."""

import getpass
import os
import secrets
import string
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile, Json
from staffetta.cli.status import EX_IOERR, EX_OK, EX_USAGE
from staffetta.cli.tables import print_json, print_table
from staffetta.operations import authority
from staffetta.operations.expiry import certificates
from staffetta.operations.ledger import Entry
from staffetta.settings.file import load

_COLUMNS = {
    "use": "For",
    "name": "Name",
    "condition": "Condition",
    "expires": "Expires",
    "days_left": "Days left",
    "serial": "Serial number",
    "note": "Note",
}
_PASSWORD_LENGTH = 20  # 119 bits of letters and digits that no one mistakes for each other
_PASSWORD_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0OoIl1")))

Name = Annotated[str, Parameter(help="A DNS name, such as scanner.contoso.com or *.contoso.com.")]
MoreNames = Annotated[tuple[str, ...], Parameter(name="--name", negative="", help="A further name; may be repeated.")]
Days = Annotated[int, Parameter(help="How long it is valid.")]
Rsa = Annotated[bool, Parameter(name="--rsa", negative="", help="An RSA key, for a device without elliptic curves.")]
NewKey = Annotated[bool, Parameter(negative="", help="Make a new private key too.")]
Force = Annotated[bool, Parameter(negative="", help="Do it although there is one already; nothing is deleted.")]
Serial = Annotated[str | None, Parameter(help="Only the certificate of this serial number, as `list` shows it.")]
Pfx = Annotated[Path | None, Parameter(help="Write certificate, key and root to this PFX file.")]
Pem = Annotated[Path | None, Parameter(help="Write certificate, root and key to this PEM file.")]
Legacy = Annotated[bool, Parameter(negative="", help="PFX as Windows before 10 and Server 2019 reads it: 3DES, SHA-1.")]
Ask = Annotated[bool, Parameter(negative="", help="Ask for the PFX password instead of making one up.")]
PasswordFile = Annotated[Path | None, Parameter(help="Take the PFX password from the first line of this file.")]
ForceFile = Annotated[bool, Parameter(name="--force", negative="", help="Overwrite the file.")]


def ca_commands() -> App:
    """Return the commands under `staffetta ca`."""
    app = App(name="ca", help="A private certificate authority for clients; when certificates expire.")
    app.command(init)
    app.command(issue)
    app.command(renew)
    app.command(revoke)
    app.command(list_certificates, name="list")
    app.command(export)
    return app


def init(*, config: ConfigFile, force: Force = False) -> None:
    """Make the authority. Connectors may then name it: trusted_authority = "own"."""
    path = authority.init(load(config), now=_now(), force=force)
    print(f"The authority's certificate is {path}; its key stands beside it and is to stay there.")
    print("Next: staffetta ca issue NAME")


def issue(
    name: Name,
    /,
    *,
    config: ConfigFile,
    more_names: MoreNames = (),
    days: Days = authority.DEFAULT_DAYS,
    rsa: Rsa = False,
    force: Force = False,
) -> None:
    """Issue a certificate to a client or a listener."""
    settings = load(config)
    entry = authority.issue(settings, name, now=_now(), more_names=more_names, days=days, is_rsa=rsa, force=force)
    certificate, key = authority.files_of(settings, entry.name)
    _print_issued(entry)
    print(f"certificate  {certificate}\nkey          {key}\n")
    print(f"The client takes both; as one file: staffetta ca export {_typed(entry.name)} --pfx FILE")
    print("The connector that lets it in says:")
    print(f'  tls_sender_certificate_name = "{entry.name}"\n  trusted_authority = "own"')


def renew(name: Name, /, *, config: ConfigFile, days: Days = authority.DEFAULT_DAYS, new_key: NewKey = False) -> None:
    """Issue a certificate's names anew, for the same key; the old one stays valid until it ends."""
    entry = authority.renew(load(config), name, now=_now(), days=days, is_key_new=new_key)
    _print_issued(entry)
    print(f"Give it to the client: staffetta ca export {_typed(entry.name)} --pfx FILE")


def revoke(name: Name, /, *, config: ConfigFile, serial: Serial = None) -> None:
    """Take back every certificate of a name; the relay refuses them from now on."""
    for entry in authority.revoke(load(config), name, now=_now(), serial=serial):
        print(f"{entry.name}: serial number {entry.serial} is revoked since {entry.revoked_at:%Y-%m-%d %H:%M} UTC")


def list_certificates(*, config: ConfigFile, json: Json = False) -> None:
    """List the certificates of listeners and authorities and those issued: when each ends."""
    rows = certificates(load(config), _now())
    if json:
        print_json(rows)
    else:
        print_table(_COLUMNS, rows, if_empty="There is no certificate. `staffetta ca init` makes an authority.")


def export(
    name: Name,
    /,
    *,
    config: ConfigFile,
    pfx: Pfx = None,
    pem: Pem = None,
    legacy: Legacy = False,
    ask_password: Ask = False,
    password_file: PasswordFile = None,
    force: ForceFile = False,
) -> int:
    """Write a certificate with its key to one file for the client, as PFX or PEM."""
    settings = load(config)
    if (pfx is None) == (pem is None):
        print("Say where to: --pfx FILE, or --pem FILE.", file=sys.stderr)
        return EX_USAGE
    if pem is not None:
        return _write(pem, authority.export_pem(settings, name), force)
    assert pfx is not None
    password = _password(ask_password, password_file)
    if not password:
        return EX_USAGE
    status = _write(pfx, authority.export_pfx(settings, name, password, is_legacy=legacy), force)
    if status == EX_OK and not (ask_password or password_file):
        print(f"Its password, shown this once: {password}")
    return status


def _password(is_asked: bool, file: Path | None) -> str:
    """Return the password of a PFX; empty where there is none to be had, which has been said."""
    if file is not None:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if not lines or not lines[0]:
            print(f"{file} has no first line with a password.", file=sys.stderr)
            return ""
        return lines[0]
    if is_asked:
        password = getpass.getpass("Password for the PFX file: ")
        if not password or password != getpass.getpass("Once more: "):
            print("The passwords are not the same, or empty.", file=sys.stderr)
            return ""
        return password
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def _write(path: Path, octets: bytes, is_forced: bool) -> int:
    """Write a file that only its owner can read. It holds a private key."""
    try:
        if is_forced:
            path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{path} is there already. Name another file, or say --force.", file=sys.stderr)
        return EX_USAGE
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return EX_IOERR
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    print(f"{path} holds the certificate, its private key and the authority's certificate.")
    return EX_OK


def _print_issued(entry: Entry) -> None:
    print(f"{', '.join(entry.names)}: valid until {entry.expires_at:%Y-%m-%d}, serial number {entry.serial}")


def _typed(name: str) -> str:
    """A shell would look for files of that name."""
    return f"'{name}'" if "*" in name else name


def _now() -> datetime:
    return datetime.now(UTC)
