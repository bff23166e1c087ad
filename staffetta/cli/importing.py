"""`staffetta import`: settings of another mail server, as ours; what was understood, and what was not."""

import socket
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.status import EX_CONFIG, EX_IOERR, EX_OK
from staffetta.importing.draft import CannotImport, Imported
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
    try:
        files = PostfixFiles(
            name="standard input" if main == _STANDARD_INPUT else str(main),
            main=_read(main),
            master=_read(master) if master is not None else None,
            folder=folder,
            hostname=hostname or socket.getfqdn(),
            transport=transport,
            own=tuple(each.lower() for each in domain),
        )
        return _told(import_postfix(files), output)
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
