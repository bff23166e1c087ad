"""`staffetta spool`: is it sound, and what to do when it is not."""

from cyclopts import App

from staffetta.cli.options import ConfigFile
from staffetta.cli.status import EX_IOERR, EX_OK
from staffetta.cli.tables import print_lines
from staffetta.operations.spool_repair import Salvaged, check_spool, salvage_spool
from staffetta.settings.file import load

spool = App(name="spool", help="Examine the spool on the disk; save what a damaged one holds.")


@spool.command
def check(*, config: ConfigFile) -> int:
    """Read every page of the spool and say whether it is sound, while the relay runs or not."""
    troubles = check_spool(load(config))
    if troubles:
        print_lines([*troubles, "", "Stop the relay and run: staffetta spool salvage"])
    else:
        print_lines(["The spool is sound."])
    return EX_IOERR if troubles else EX_OK


@spool.command
def salvage(*, config: ConfigFile) -> int:
    """Save what a damaged spool holds into a fresh one, with the relay stopped. The damaged files are kept."""
    settings = load(config)
    if not check_spool(settings):
        print_lines(["The spool is sound: nothing was done."])
        return EX_OK
    saved = salvage_spool(settings)
    print_lines([line for each in saved for line in _told(each)])
    return EX_IOERR if any(each.lost or each.loose for each in saved) else EX_OK


def _told(saved: Salvaged) -> list[str]:
    lines = [
        f"{saved.messages} messages saved; {saved.queued} recipients go on when the relay starts.",
        f"{saved.pages_damaged} of {saved.pages} pages were damaged. The old files are in {saved.quarantine}.",
    ]
    for ids, words in (
        (saved.held, "held, since they may be older than what was lost; look, then release or delete"),
        (saved.lost, "failed: the content is gone, and nobody was told; ask the sender to send it again"),
        (saved.loose, "not queued: content without envelope, in the folder mail beside the old files"),
    ):
        if ids:
            lines += ["", f"{len(ids)} {words}:", *(f"  {queue_id}" for queue_id in ids)]
    return lines
