"""`staffetta setup`: a bare server made ready."""

import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from staffetta.cli.manual import shared_files
from staffetta.cli.status import EX_IOERR, EX_NOPERM, EX_OK
from staffetta.cli.tables import print_lines
from staffetta.installing.plan import CannotSetUp, Machine, steps

_NEXT = (
    "",
    "Now: look through /etc/staffetta/staffetta.toml, then",
    "  staffetta check --config /etc/staffetta/staffetta.toml",
    "  systemctl enable --now staffetta",
)


def set_up(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Say what would be done, and do nothing.")] = False,
    root: Annotated[Path, Parameter(help="Folder of a system that does not run, such as an image.")] = Path("/"),
    hostname: Annotated[str | None, Parameter(help="Our name; left out, this machine's.")] = None,
    domain: Annotated[str | None, Parameter(help="The domain that is ours; left out, the hostname's.")] = None,
    sendmail: Annotated[bool, Parameter(negative="", help="Link sendmail, mailq and newaliases to us, too.")] = False,
) -> int:
    """Make user, folders, units, manual and settings to begin with. What is there stays; started is nothing."""
    name = hostname or socket.getfqdn()
    ours = domain or (name.partition(".")[2] if name.count(".") > 1 else name)
    machine = Machine(root.resolve(), Path(sys.argv[0]).absolute().parent, name, ours)
    if os.getuid() != 0 and not dry_run:
        print("Only root can do this; --dry-run shows what it would be.", file=sys.stderr)
        return EX_NOPERM
    shared = shared_files(datetime.now(UTC).date())
    for step in steps(machine, with_sendmail=sendmail, shared=shared):
        print_lines([step.words])
        if dry_run:
            continue
        try:
            step.take()
        except (CannotSetUp, OSError) as error:
            print(error, file=sys.stderr)
            return EX_IOERR
    if not dry_run:
        print_lines(_NEXT)
    return EX_OK
