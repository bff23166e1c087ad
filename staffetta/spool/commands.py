"""Commands to the queue: rows that other processes leave, and what the owner of the spool does for each."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffetta.spool.change import Change, RowMaker
from staffetta.spool.database import SQL
from staffetta.spool.spool import CarriedOut, CommandVerb, Key, QueueCommand, SpoolUnavailable
from staffetta.trace.events import Event, EventKind
from staffetta.trace.search import DATABASE_NAME

_BUSY_SECONDS = 10.0
_EVENT_KINDS = {
    CommandVerb.HOLD: EventKind.HOLD,
    CommandVerb.RELEASE: EventKind.RELEASE,
    CommandVerb.RETRY: EventKind.RETRY,
    CommandVerb.DELETE: EventKind.DELETE,
}


@dataclass(frozen=True, slots=True)
class CommandResult:
    """CarriedOut in numbers of recipients, as it stands beside the command."""

    changed: int
    claimed: int
    held: int


def leave_command(folder: Path, verb: CommandVerb, numbers: Sequence[int] = (), *, asked_by: str) -> int:
    """Leave a command for the process that owns the spool in `folder`, and return its id.

    numbers: of messages; none means all. asked_by: who, for the trace. Any process may call this; it waits for
    the disk. Raises SpoolUnavailable.
    """
    connection = _open(folder)
    try:
        cursor = connection.execute(
            "INSERT INTO queue_command (verb, numbers, asked_at, asked_by) VALUES (?, ?, ?, ?)",
            (verb.value, json.dumps(list(numbers)), time.time(), asked_by),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"the command cannot be left: {error}") from error
    finally:
        connection.close()


def command_result(folder: Path, command_id: int) -> CommandResult | None:
    """Return what came of the command; None while it is not done. Raises SpoolUnavailable."""
    connection = _open(folder)
    try:
        row = connection.execute(
            "SELECT count, claimed, held FROM queue_command WHERE command_id = ? AND done_at IS NOT NULL", (command_id,)
        ).fetchone()
        return None if row is None else CommandResult(*row)
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"the command cannot be read: {error}") from error
    finally:
        connection.close()


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / DATABASE_NAME
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"there is no spool in {folder} yet, or it cannot be read: {error}") from error


def command_change(
    command: QueueCommand, keys: Sequence[Key], now: float, maker: RowMaker, *, result: CarriedOut | None
) -> Change:
    """Return the change that carries the command out for `keys`.

    result: what to write beside the command when these are its last keys, None when more follow.
    """

    def act(connection: sqlite3.Connection) -> None:
        match command.verb:
            case CommandVerb.HOLD:
                connection.executemany(SQL["hold"], keys)
            case CommandVerb.DELETE:
                connection.executemany(SQL["delete"], [(deleted_by(command), *key) for key in keys])
            case CommandVerb.RELEASE | CommandVerb.RETRY:
                connection.executemany(SQL[command.verb.value], [(now, *key) for key in keys])
        if result is not None:
            connection.execute(
                SQL["close_command"],
                (now, result.changed, len(result.claimed), result.held, command.command_id),
            )

    return Change(
        events=[maker.event(number, command_event(command, recipient, now)) for number, recipient in keys],
        closing=[number for number, _ in keys] if command.verb is CommandVerb.DELETE else (),
        act=act,
    )


def command_event(command: QueueCommand, recipient: int, now: float) -> Event:
    """Return what the trace tells of a command."""
    return Event(now, _EVENT_KINDS[command.verb], recipient, {"by": command.asked_by, "command": command.command_id})


def deleted_by(command: QueueCommand) -> str:
    """Return the last word about a deleted recipient."""
    return f"deleted by {command.asked_by}"
