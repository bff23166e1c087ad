"""`mailq`: the queue in the form that programs know from Postfix. People have `staffetta queue list`."""

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from staffetta.cli.status import EX_CONFIG, EX_NOPERM, EX_OK
from staffetta.operations import queues
from staffetta.operations.queues import TraceRow
from staffetta.sendmail.dropping import dropped
from staffetta.settings.file import SettingsError, load

_USUAL_CONFIG = "/etc/staffetta/staffetta.toml"
_MESSAGES_MAX = 100_000
_HEADING = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
_MARKS = {"in attempt": "*", "held": "!"}


def list_mail() -> int:
    """Print what waits; return the exit status."""
    config = Path(os.environ.get("STAFFETTA_CONFIG", _USUAL_CONFIG))
    try:
        settings = load(config)
        rows = queues.waiting(settings, limit=_MESSAGES_MAX)
        outside = len(dropped(settings.drop)) if settings.drop is not None and settings.drop.exists() else 0
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG if os.access(config, os.R_OK) else EX_NOPERM
    except (queues.NotAvailable, OSError) as error:
        print(f"mailq: {error}; only root and the relay's user may see the queue", file=sys.stderr)
        return EX_NOPERM
    print("\n".join(listing(rows)))
    if outside:
        print(f"{outside} in {settings.drop}, not picked up yet.")
    return EX_OK


def listing(rows: Sequence[TraceRow]) -> Iterator[str]:
    """Yield the lines, one block for each message."""
    if not rows:
        yield "Mail queue is empty"
        return
    octets = messages = 0
    yield _HEADING
    for queue_id, group in groupby(sorted(rows, key=lambda row: row.queue_id), key=lambda row: row.queue_id):
        of_message = list(group)
        first = of_message[0]
        octets, messages = octets + first.size, messages + 1
        at = datetime.fromisoformat(first.received_at).astimezone().strftime("%a %b %e %H:%M:%S")
        mark = next((_MARKS[row.state] for row in of_message if row.state in _MARKS), " ")
        yield f"{queue_id + mark:<12}{first.size:>8} {at}  {first.sender or 'MAILER-DAEMON'}"
        for row in of_message:
            if row.diagnostic:
                yield f"({row.diagnostic})".rjust(78)
            yield f"{'':41}{row.recipient}"
        yield ""
    yield f"-- {octets // 1024} Kbytes in {messages} Request{'s' if messages > 1 else ''}."
