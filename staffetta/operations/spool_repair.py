"""Examine a spool, and save what a damaged one holds: for who administers the machine."""

import sqlite3
import time

from staffetta.operations.errors import Unavailable
from staffetta.operations.spools import spool_folder
from staffetta.settings.model import Settings
from staffetta.spool import checking
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.salvage import Salvaged as Salvaged
from staffetta.spool.salvage import salvage


def check_spool(settings: Settings) -> list[str]:
    """Return what is wrong with the spool, a sentence each."""
    return checking.troubles(spool_folder(settings))


def salvage_spool(settings: Settings) -> Salvaged:
    """Save what a damaged spool holds into a fresh one. Raises Unavailable, with nothing moved."""
    folder = spool_folder(settings)
    try:
        return salvage(folder, time.time())
    except SpoolCannotOpen as error:
        raise Unavailable(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"{folder} could not be salvaged, and is as it was: {error}.") from error
