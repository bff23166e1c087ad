"""`staffetta account`: passwords for devices, and what the settings keep of them."""

import getpass
import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter, validators

from staffetta.cli.options import Json
from staffetta.cli.status import EX_OK, EX_USAGE
from staffetta.cli.tables import print_json
from staffetta.settings.passwords import (
    BITS_MIN,
    LENGTH,
    LENGTH_MAX,
    LENGTH_MIN,
    Alphabet,
    hash_password,
    new_password,
    strength_bits,
)

Length = Annotated[
    int,
    Parameter(validator=validators.Number(gte=LENGTH_MIN, lte=LENGTH_MAX), help="Characters; many devices take 16."),
]
Characters = Annotated[
    Alphabet,
    Parameter(help="mixed: letters and digits. lower: no capitals. digits: a numeric keypad. symbols: - _ . + = too."),
]


@dataclass(frozen=True, slots=True)
class Made:
    """A password, and the hash that the settings keep of it."""

    password: str
    hash: str


def account_commands() -> App:
    """Return the commands under `staffetta account`."""
    app = App(name="account")
    app.command(new_password_command, name="new-password")
    app.command(hash_command, name="hash")
    return app


def new_password_command(*, length: Length = LENGTH, alphabet: Characters = Alphabet.MIXED, json: Json = False) -> int:
    """Make a password that a device can take, and the hash for `password_hashes`. Give each device its own."""
    password = new_password(length, alphabet)
    made = Made(password, hash_password(password))
    if json:
        print_json([made])
    else:
        print(f"For the device:       {made.password}")
        print(f"For password_hashes:  {made.hash}")
    if strength_bits(length, alphabet) < BITS_MIN:
        print("This password is short: let the account log in from few addresses only.", file=sys.stderr)
    return EX_OK


def hash_command() -> int:
    """Hash a password that you have: typed twice, or the first line of standard input. Prints the hash alone."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            print("The two differ; nothing was hashed.", file=sys.stderr)
            return EX_USAGE
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        print("The password is empty; type one, or make one: staffetta account new-password.", file=sys.stderr)
        return EX_USAGE
    print(hash_password(password))
    return EX_OK
