"""Failed recipients whose content goes between the look and the write: nothing changes, and nothing is told."""

import asyncio
import sqlite3
from pathlib import Path

from staffetta.mail.outcome import Failed, Stage
from staffetta.spool.change import RowMaker
from staffetta.spool.commands import CommandResult, Order, command_change, command_result, leave_commands
from staffetta.spool.spool import CarriedOut, CommandVerb, QueueCommand, RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from tests.contract.bench import START, message

REFUSED = Failed(status="5.1.1", diagnostic="550 5.1.1 No such user", stage=Stage.RCPT)


def test_a_recipient_whose_content_has_gone_meanwhile_stays_closed_and_is_counted_as_left_out(tmp_path: Path) -> None:
    async def fail() -> int:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        new = message(spool, "a@example.net")
        await spool.commit(new)
        await spool.settle([Settlement(new.number, 0, RecipientState.FAILED, None, REFUSED)])
        await spool.close()
        return new.number

    number = asyncio.run(fail())
    order = Order(verb=CommandVerb.REOPEN, keys=[(number, 0)], route="mx", destination="mx")
    (command_id,) = leave_commands(tmp_path, [order], asked_by="ada")
    command = QueueCommand(
        command_id=command_id,
        verb=CommandVerb.REOPEN,
        asked_by="ada",
        keys=frozenset({(number, 0)}),
        route="mx",
        destination="mx",
    )
    change = command_change(command, [(number, 0)], START, RowMaker(99), result=CarriedOut(1))
    connection = sqlite3.connect(tmp_path / "spool.db")
    assert change.act is not None
    change.act(connection)
    connection.commit()
    assert connection.execute("SELECT state FROM recipient").fetchall() == [("failed",)]
    assert connection.execute("SELECT count(*) FROM event WHERE kind = 'Resubmit'").fetchone() == (0,)
    connection.close()
    assert command_result(tmp_path, command_id) == CommandResult(changed=0, skipped=1)
