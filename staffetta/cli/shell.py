"""`staffetta shell`: PowerShell's grammar over the operations, from a file, a text, a pipe or a terminal."""

import getpass
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.options import ConfigFile
from staffetta.cli.status import EX_NOINPUT, INTERRUPTED
from staffetta.operations.local import local_office
from staffetta.shell.session import Host, Trust

"""What shells say of a command that SIGINT ended."""
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def shell(
    script: Annotated[Path | None, Parameter(help="A file of commands; left out, they are typed or piped in.")] = None,
    /,
    *,
    config: ConfigFile,
    command: Annotated[str | None, Parameter(help="Commands to run instead of a file.")] = None,
    insecure: Annotated[
        bool, Parameter(negative="", help="When a script sends mail by TLS, take any certificate of the server.")
    ] = False,
) -> int:
    """Run cmdlets such as New-InboundConnector, as Exchange's articles have them. See docs/shell.md.

    STAFFETTA_CA names a PEM file of authorities that mail servers may have their certificate of.
    """
    from staffetta.shell.shell import Shell  # grammar and editor are loaded by nobody else

    authorities = os.environ.get("STAFFETTA_CA")
    trust = Trust(Path(authorities) if authorities else None, is_checked=not insecure)
    if command is not None:
        text: str | None = command
    elif script is not None or not sys.stdin.isatty():
        try:
            octets = script.read_bytes() if script is not None else sys.stdin.buffer.read()
        except OSError as error:
            print(f"{script}: {error.strerror}", file=sys.stderr)
            return EX_NOINPUT
        text = octets.decode(_BOMS.get(octets[:2], _BOMS.get(octets[:3], "utf-8")), "replace")
    else:
        text = None
    folder = script.resolve().parent if script is not None else Path.cwd()
    with local_office(config, "shell") as office:
        opened = Shell(_host(), office, folder=folder, trust=trust)
        if text is not None:
            try:
                return opened.run(text)
            except KeyboardInterrupt:
                return INTERRUPTED
        from staffetta.shell.interactive import converse, history_file

        print("Get-Command lists the cmdlets, Get-Help NAME tells of one, exit leaves.")
        return converse(opened, history_file(os.environ.get))


def _host() -> Host:
    return Host(
        print,
        lambda line: print(line, file=sys.stderr),
        input if sys.stdin.isatty() else None,
        getpass.getpass if sys.stdin.isatty() else None,
        shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
        is_coloured=sys.stderr.isatty(),
    )
