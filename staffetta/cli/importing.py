"""`staffetta import`: settings of another mail server, as ours; what was understood, and what was not."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.status import EX_CONFIG, EX_IOERR, EX_OK
from staffetta.importing.draft import CannotImport, Imported
from staffetta.importing.exchange import ExchangeFiles, import_exchange
from staffetta.importing.iis import import_iis
from staffetta.importing.postfix import PostfixFiles, import_postfix

_STANDARD_INPUT = Path("-")

Hostname = Annotated[str | None, Parameter(help="Our name, where the old settings do not say it; else this machine's.")]
Domains = Annotated[
    tuple[str, ...],
    Parameter(name="--domain", negative="", help="A domain of your senders; may be repeated. Left out: what is found."),
]
Output = Annotated[Path | None, Parameter(help="Write the settings to this new file; left out, they are printed.")]

imports = App(name="import", help="Settings of Postfix, IIS SMTP or Exchange as ours, and what cannot be carried over.")


@imports.command
def postfix(
    main: Annotated[
        Path, Parameter(allow_leading_hyphen=True, help="main.cf, or what `postconf -n` prints; -: standard input.")
    ],
    /,
    *,
    master: Annotated[Path | None, Parameter(help="master.cf; left out, the one beside main.cf, if any.")] = None,
    transport: Annotated[Path | None, Parameter(help="The text of transport_maps, where it is elsewhere.")] = None,
    hostname: Hostname = None,
    domain: Domains = (),
    output: Output = None,
) -> int:
    """Read main.cf, master.cf and the tables that they name; a table is looked for beside main.cf, too."""
    folder = Path.cwd() if main == _STANDARD_INPUT else main.parent
    beside = folder / "master.cf"
    if master is None and main != _STANDARD_INPUT and beside.exists():
        master = beside

    def imported() -> Imported:
        files = PostfixFiles(
            name=_name(main),
            main=_read(main),
            master=_read(master) if master is not None else None,
            folder=folder,
            hostname=hostname or socket.getfqdn(),
            transport=transport,
            own=_lowered(domain),
        )
        return import_postfix(files)

    return _carried_out(imported, output)


@imports.command
def iis(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True, help="MetaBase.xml, or an export; -: standard input.")],
    /,
    *,
    hostname: Hostname = None,
    domain: Domains = (),
    output: Output = None,
) -> int:
    """Read MetaBase.xml of IIS SMTP, or Get-WmiObject … -Class IIsSmtpServerSetting as JSON or CSV."""

    def imported() -> Imported:
        return import_iis(_name(file), _read(file), hostname or socket.getfqdn(), _lowered(domain))

    return _carried_out(imported, output)


@imports.command
def exchange(
    receive: Annotated[
        Path, Parameter(allow_leading_hyphen=True, help="Get-ReceiveConnector as JSON or CSV; -: standard input.")
    ],
    /,
    *,
    send: Annotated[Path | None, Parameter(help="Get-SendConnector as JSON or CSV.")] = None,
    accepted_domains: Annotated[Path | None, Parameter(help="Get-AcceptedDomain as JSON or CSV.")] = None,
    permissions: Annotated[Path | None, Parameter(help="Get-ADPermission of the receive connectors.")] = None,
    mailboxes: Annotated[str | None, Parameter(help="Who has the mailboxes, as HOST or HOST:PORT.")] = None,
    hostname: Hostname = None,
    domain: Domains = (),
    output: Output = None,
) -> int:
    """Read connectors of Exchange Server, as `… | ConvertTo-Json -Depth 4` or Export-Csv writes them."""

    def text(path: Path | None) -> str | None:
        return _read(path) if path is not None else None

    def imported() -> Imported:
        files = ExchangeFiles(
            name=_name(receive),
            receive=_read(receive),
            hostname=hostname or socket.getfqdn(),
            send=text(send),
            accepted=text(accepted_domains),
            permissions=text(permissions),
            mailboxes=mailboxes,
            own=_lowered(domain),
        )
        return import_exchange(files)

    return _carried_out(imported, output)


def _name(path: Path) -> str:
    return "standard input" if path == _STANDARD_INPUT else str(path)


def _lowered(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.lower() for each in domains)


def _carried_out(imported: Callable[[], Imported], output: Path | None) -> int:
    try:
        return _told(imported(), output)
    except CannotImport as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return EX_IOERR


def _read(path: Path) -> str:
    """Raises OSError, CannotImport."""
    octets = sys.stdin.buffer.read() if path == _STANDARD_INPUT else path.read_bytes()
    encoding = "utf-16" if octets[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"  # as PowerShell's > writes
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError:
        raise CannotImport(f"{path} is neither UTF-8 nor UTF-16; save it as one of them") from None


def _told(imported: Imported, output: Path | None) -> int:
    if output is None:
        sys.stdout.write(imported.toml)
    else:
        with output.open("x", encoding="utf-8") as file:  # never over settings that are there
            file.write(imported.toml)
        print(f"{output}: written; next: staffetta check --config {output}")
    counts = f"{len(imported.understood)} things were understood, {len(imported.left)} are left to you"
    print(f"{counts}; the comments say which.", file=sys.stderr)
    return EX_OK
