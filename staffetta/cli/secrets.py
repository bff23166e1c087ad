"""`staffetta secrets`: the key that seals what the directory cannot keep as a hash."""

from typing import Annotated

from cyclopts import App, Parameter

from staffetta.cli.options import ConfigFile
from staffetta.cli.status import EX_OK, EX_UNWELL
from staffetta.cli.tables import print_lines
from staffetta.operations.local import local_office
from staffetta.operations.sealed_secrets import another_key, key_facts
from staffetta.operations.sealed_secrets import rotate as rotate_key

secrets = App(name="secrets", help="The key that seals secrets in the directory: show, rotate.")

KeepOld = Annotated[
    bool, Parameter(negative="", help="Keep the keys of before behind it: backups made until now need them.")
]


@secrets.command
def show(*, config: ConfigFile) -> int:
    """Say where the key is, and how the secrets are kept."""
    with local_office(config, "cli") as office:
        place, now = key_facts(office)
    print_lines([f"key            {place}", f"sealed         {now.by_newest}", f"by older keys  {now.by_older}"])
    if now.in_clear:
        print_lines([f"{now.in_clear} in clear: start the relay, or say staffetta secrets rotate."])
    if now.lost:
        print_lines(
            [f"{now.lost} cannot be opened: the key is missing, or another one. Put it back as a further line."]
        )
    return EX_UNWELL if now.in_clear or now.lost else EX_OK


@secrets.command
def rotate(*, config: ConfigFile, keep_old: KeepOld = False) -> int:
    """Seal everything with a new key, whether the relay runs or not, and forget the one before."""
    with local_office(config, "cli") as office:
        done = rotate_key(office, keep_old=keep_old)
    kept = f"{done.kept} older keys still open." if done.kept else "Backups made until now hold secrets of the old key."
    print_lines([f"{done.key}: a key of now seals {done.sealed} secrets. {kept} Keep a copy of it away from backups."])
    return EX_OK


@secrets.command(name="new-key")
def print_key() -> int:
    """Print a key, for where it is not a file of the relay's, such as a credential of systemd."""
    print_lines([another_key()])
    return EX_OK
