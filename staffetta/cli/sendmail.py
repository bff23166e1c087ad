"""The programs `sendmail`, `mailq` and `newaliases`.

Rule 1: exit status 0 means that the relay has the message, or that it lies in the drop folder, durably.
Rule 2: what the relay refuses is said at once, with a status of sysexits; programs such as cron log it.
Rule 3: nothing of the relay's rooms is loaded to send: cron starts this often.
"""

import os
import pwd
import socket
import sys
import time
from pathlib import Path

from staffetta.cli.status import (
    EX_DATAERR,
    EX_NOPERM,
    EX_NOUSER,
    EX_OK,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
)
from staffetta.sendmail.arguments import ArgumentError, Arguments, Mode, parse
from staffetta.sendmail.dropping import drop
from staffetta.sendmail.letter import Letter
from staffetta.sendmail.place import Place, PlaceError, find_place
from staffetta.sendmail.reading import Author, Unsendable, read_message
from staffetta.sendmail.speaking import speak
from staffetta.sendmail.submitting import Answer, submit


def main() -> None:
    """Run as the name that this was called by, and exit with its status."""
    sys.exit(run(Path(sys.argv[0]).name, sys.argv[1:]))


def run(program: str, words: list[str]) -> int:
    """Return the exit status."""
    try:
        arguments = parse(program, words)
        if arguments.mode is Mode.NOTHING:
            return EX_OK
        if arguments.mode is Mode.LIST_QUEUE:
            from staffetta.cli.mailq import list_mail  # loads the relay's rooms

            return list_mail()
        place = find_place()
        if arguments.mode is Mode.SPEAK_SMTP:
            return EX_OK if speak(place.server) else EX_TEMPFAIL
        return _send(arguments, place)
    except (ArgumentError, PlaceError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EX_USAGE
    except Unsendable as error:
        print(f"{program}: {error}", file=sys.stderr)
        return EX_DATAERR


def _send(arguments: Arguments, place: Place) -> int:
    """Raises Unsendable."""
    user = pwd.getpwuid(os.getuid())
    author = Author(user.pw_name, place.domain, user.pw_gecos.partition(",")[0])
    letter = read_message(sys.stdin.buffer.read(), arguments, author, time.time())
    began_at = time.time()
    outcome = submit(letter, place.server, socket.getfqdn())
    for recipient, reply in outcome.refused:
        print(f"sendmail: {recipient}: {reply}", file=sys.stderr)
    if outcome.later and not _keep(letter, place, outcome.later, began_at if outcome.is_unknown else None):
        return EX_TEMPFAIL
    return _status(outcome.refused) if outcome.refused else EX_OK


def _keep(letter: Letter, place: Place, later: list[Answer], began_at: float | None) -> bool:
    """Leave it in the drop folder; whether that was possible. began_at: where the relay may have it already."""
    rest = letter.for_only(tuple(recipient for recipient, _ in later))
    try:
        drop(place.drop, rest, is_doubtful=began_at is not None, began_at=began_at)
    except OSError as error:
        print(f"sendmail: {later[0][1]}; and {place.drop} does not take it: {error.strerror}", file=sys.stderr)
        return False
    return True


def _status(refused: list[Answer]) -> int:
    reply = refused[0][1]
    if " 5.1." in reply:
        return EX_NOUSER
    return EX_NOPERM if " 5.7." in reply else EX_UNAVAILABLE
