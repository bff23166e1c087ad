"""Commands to the queue: rows that other processes leave, and what the owner of the spool does for each."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffetta.spool.change import Change, RowMaker
from staffetta.spool.database import SQL, Row, transaction
from staffetta.spool.spool import CarriedOut, CommandVerb, Key, QueueCommand, RecipientState, SpoolUnavailable
from staffetta.trace.events import Event, EventKind
from staffetta.trace.search import DATABASE_NAME

_BUSY_SECONDS = 10.0
_EVENT_KINDS = {
    CommandVerb.HOLD: EventKind.HOLD,
    CommandVerb.RELEASE: EventKind.RELEASE,
    CommandVerb.RETRY: EventKind.RETRY,
    CommandVerb.DELETE: EventKind.DELETE,
    CommandVerb.RETURN: EventKind.DELETE,
    CommandVerb.REDIRECT: EventKind.REDIRECT,
    CommandVerb.COMPLETE: EventKind.COMPLETE,
    CommandVerb.REOPEN: EventKind.RESUBMIT,
}
STANDING = frozenset((CommandVerb.HOLD, CommandVerb.DELETE, CommandVerb.RETURN, CommandVerb.REDIRECT))
"""What is applied, after an attempt under way, to those that it leaves open."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """CarriedOut in numbers of recipients, as it stands beside the command."""

    changed: int = 0
    claimed: int = 0
    held: int = 0
    skipped: int = 0

    def __add__(self, other: "CommandResult") -> "CommandResult":
        return CommandResult(
            self.changed + other.changed,
            self.claimed + other.claimed,
            self.held + other.held,
            self.skipped + other.skipped,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command as an administrator words it: a QueueCommand that has no number yet, and names nobody."""

    verb: CommandVerb
    numbers: Sequence[int] = ()
    keys: Sequence[Key] | None = None
    route: str | None = None
    destination: str | None = None
    includes_unknown: bool = False


def leave_commands(folder: Path, orders: Sequence[Order], *, asked_by: str) -> list[int]:
    """Leave commands for the process that owns the spool in `folder`, all or none, and return their ids.

    asked_by: who, for the trace. Any process may call this; it waits for the disk. Raises SpoolUnavailable.
    """
    connection = _open(folder)
    try:
        with transaction(connection):
            return [_leave(connection, order, asked_by) for order in orders]
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"the command cannot be left: {error}") from error
    finally:
        connection.close()


def _leave(connection: sqlite3.Connection, order: Order, asked_by: str) -> int:
    cursor = connection.execute(
        "INSERT INTO queue_command (verb, numbers, recipients, route, destination, includes_unknown, asked_at, "
        "asked_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            order.verb.value,
            json.dumps(list(order.numbers)),
            None if order.keys is None else json.dumps(list(order.keys)),
            order.route,
            order.destination,
            order.includes_unknown,
            time.time(),
            asked_by,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def leave_command(folder: Path, verb: CommandVerb, numbers: Sequence[int] = (), *, asked_by: str) -> int:
    """Do as leave_commands() for one that is about whole messages; none means all."""
    return leave_commands(folder, [Order(verb=verb, numbers=numbers)], asked_by=asked_by)[0]


def read_command(row: Row) -> QueueCommand:
    """Return the command of a row of `open_commands`."""
    command_id, verb, asked_by, numbers, keys, route, destination, includes_unknown = row
    return QueueCommand(
        command_id=int(str(command_id)),
        verb=CommandVerb(str(verb)),
        asked_by=str(asked_by),
        numbers=frozenset(json.loads(str(numbers))),
        keys=None if keys is None else frozenset((number, place) for number, place in json.loads(str(keys))),
        route=None if route is None else str(route),
        destination=None if destination is None else str(destination),
        includes_unknown=bool(includes_unknown),
    )


def command_result(folder: Path, command_id: int) -> CommandResult | None:
    """Return what came of the command; None while it is not done. Raises SpoolUnavailable."""
    connection = _open(folder)
    try:
        row = connection.execute(
            "SELECT count, claimed, held, skipped FROM queue_command WHERE command_id = ? AND done_at IS NOT NULL",
            (command_id,),
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
    if command.verb is CommandVerb.REOPEN:
        return _reopening(command, keys, now, maker, result)

    def act(connection: sqlite3.Connection) -> None:
        match command.verb:
            case CommandVerb.HOLD:
                connection.executemany(SQL["hold"], keys)
            case CommandVerb.DELETE:
                connection.executemany(SQL["delete"], [(deleted_by(command), *key) for key in keys])
            case CommandVerb.RELEASE | CommandVerb.RETRY:
                connection.executemany(SQL[command.verb.value], [(now, *key) for key in keys])
            case CommandVerb.REDIRECT:
                connection.executemany(
                    SQL["redirect"], [(command.route, command.destination, now, *key) for key in keys]
                )
            case CommandVerb.COMPLETE:
                connection.executemany(SQL["complete"], [(completed_by(command), *key) for key in keys])
            case CommandVerb.SUSPEND:
                connection.execute(SQL["suspend"], (command.route, command.destination or "", now, command.asked_by))
            case CommandVerb.RESUME:
                connection.execute(SQL["resume"], (command.route, command.destination or ""))
        if result is not None:
            connection.execute(
                SQL["close_command"],
                (now, result.changed, len(result.claimed), result.held, result.skipped, command.command_id),
            )

    return Change(
        events=[maker.event(number, command_event(command, recipient, now)) for number, recipient in keys],
        closing=[number for number, _ in keys] if command.verb in (CommandVerb.DELETE, CommandVerb.COMPLETE) else (),
        act=act,
    )


def _reopening(
    command: QueueCommand, keys: Sequence[Key], now: float, maker: RowMaker, result: CarriedOut | None
) -> Change:
    """The content may have gone since the keys were read: then nothing is changed, and nothing told."""
    rows = [
        ((now, command.route, command.destination, *key), maker.event(key[0], command_event(command, key[1], now)))
        for key in keys
    ]

    def act(connection: sqlite3.Connection) -> None:
        missed = 0
        for reopened, event in rows:
            if connection.execute(SQL["reopen"], reopened).rowcount:
                connection.execute(SQL["insert_event"], event)
            else:
                missed += 1
        if result is not None:
            counts = (result.changed - missed, len(result.claimed), result.held, result.skipped + missed)
            connection.execute(SQL["close_command"], (now, *counts, command.command_id))

    return Change(act=act)


def command_event(command: QueueCommand, recipient: int, now: float) -> Event:
    """Return what the trace tells of a command."""
    detail: dict[str, str | int | float | bool | None] = {"by": command.asked_by, "command": command.command_id}
    if command.verb in (CommandVerb.REDIRECT, CommandVerb.REOPEN):
        detail["route"] = command.route
    return Event(now, _EVENT_KINDS[command.verb], recipient, detail)


def deleted_by(command: QueueCommand) -> str:
    """Return the last word about a deleted recipient."""
    return f"deleted by {command.asked_by}"


def completed_by(command: QueueCommand) -> str:
    """Return the last word about a recipient of unknown outcome that counts as delivered."""
    return f"taken as delivered by {command.asked_by}; whether the next hop has it is not known"


def applies(
    command: QueueCommand, state: RecipientState, due_at: float | None, now: float, *, is_doubtful: bool
) -> bool:
    """Whether the command changes a recipient that is open and not in attempt."""
    match command.verb:
        case CommandVerb.HOLD:
            return state is not RecipientState.HELD
        case CommandVerb.RELEASE:
            return state is RecipientState.HELD
        case CommandVerb.RETRY:
            return due_at is not None and due_at > now
        case CommandVerb.DELETE:
            return True
        case CommandVerb.REDIRECT | CommandVerb.COMPLETE:
            return not cannot_be_for(command, is_doubtful=is_doubtful)
    return False  # REOPEN is about what is closed; RETURN is the queue's to carry out; the others are about nobody


def cannot_be_for(command: QueueCommand, *, is_doubtful: bool) -> bool:
    """Whether a recipient is left out, and told of: it would be had twice, or never (spool.md)."""
    match command.verb:
        case CommandVerb.REDIRECT:
            return is_doubtful and not command.includes_unknown
        case CommandVerb.COMPLETE:
            return not is_doubtful
        case CommandVerb.REOPEN:
            return is_doubtful
    return False
