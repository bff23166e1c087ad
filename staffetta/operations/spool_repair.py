"""Examine a spool, and save what a damaged one holds: for who administers the machine."""

import sqlite3
import time
from collections.abc import Sequence

from staffetta.operations.errors import Unavailable
from staffetta.operations.spools import spool_folder
from staffetta.settings.model import Settings
from staffetta.spool import checking
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.salvage import Salvaged as Salvaged
from staffetta.spool.salvage import salvage
from staffetta.trace.partitions import from_each, partitions


def check_spool(settings: Settings) -> list[str]:
    """Return what is wrong with the spool, a sentence each, of every partition."""
    return list(from_each(spool_folder(settings), checking.troubles))


def salvage_spool(settings: Settings) -> Sequence[Salvaged]:
    """Save what each damaged partition of the spool holds into a fresh one.

    Raises Unavailable, with nothing moved of the partition that it names.
    """
    saved: list[Salvaged] = []
    folder = spool_folder(settings)
    try:
        for each in partitions(spool_folder(settings)):
            folder = each
            if checking.troubles(each):
                saved.append(salvage(each, time.time()))
        return saved
    except SpoolCannotOpen as error:
        raise Unavailable(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"{folder} could not be salvaged, and is as it was: {error}.") from error
