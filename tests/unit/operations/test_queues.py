import asyncio
import time
from pathlib import Path

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.queue_id import from_text, to_text
from staffetta.operations.queues import CommandResult, CommandVerb, NoAnswer, NotAvailable, Order, act, waiting
from staffetta.operations.spools import open_spool
from staffetta.operations.trace import Status, TraceQuery, find_messages
from staffetta.settings.model import Settings
from staffetta.spool.spool import NewMessage, RoutedRecipient
from staffetta.spool.sqlite import SqliteSpool


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(hostname="relay.example", data_dir=tmp_path)


async def keep(spool: SqliteSpool, *addresses: str) -> str:
    """Commit one message and return its queue id."""
    recipients = tuple(Recipient(parse_mailbox(address)) for address in addresses)
    number = spool.next_number()
    await spool.commit(
        NewMessage(
            number=number,
            message_id="<one@contoso.test>",
            subject="One",
            envelope=Envelope(parse_mailbox("ada@contoso.test"), recipients),
            recipients=tuple(RoutedRecipient(recipient, "outside", "outside") for recipient in recipients),
            content=MemoryContent(b"Subject: One\r\n\r\nOne\r\n"),
            has_eight_bit=False,
            received_at=time.time(),
            session_id="S",
            peer_address="127.0.0.1",
            helo="client.example",
            connector=None,
        )
    )
    return to_text(number)


def kept(settings: Settings, *addresses: str) -> str:
    async def scene() -> str:
        spool = await open_spool(settings)
        try:
            return await keep(spool, *addresses)
        finally:
            await spool.close()

    return asyncio.run(scene())


def done(settings: Settings, verb: CommandVerb, *queue_ids: str, **how: float) -> CommandResult:
    return act(settings, [Order(verb=verb, numbers=[from_text(each) for each in queue_ids])], asked_by="ada", **how)


def test_nothing_waits_where_no_relay_has_ever_run(settings: Settings) -> None:
    assert waiting(settings) == []
    assert not find_messages(settings, TraceQuery(message_id="one@contoso.test")).rows


def test_commands_where_no_relay_has_ever_run_say_so(settings: Settings) -> None:
    with pytest.raises(NotAvailable, match="no spool"):
        done(settings, CommandVerb.HOLD)


def test_commands_are_carried_out_here_while_no_relay_runs(settings: Settings) -> None:
    queue_id = kept(settings, "bob@contoso.test", "eve@outside.example")
    assert done(settings, CommandVerb.HOLD, queue_id).changed == 2
    assert {row.state for row in waiting(settings, queue_id=queue_id)} == {"held"}
    assert done(settings, CommandVerb.RELEASE).changed == 2
    assert done(settings, CommandVerb.DELETE, queue_id.lower()).changed == 2
    assert waiting(settings) == []
    rows = find_messages(settings, TraceQuery(queue_id=queue_id)).rows
    assert {row.status for row in rows} == {Status.FAILED}
    assert {row.diagnostic for row in rows} == {"deleted by ada"}


def test_a_retry_says_what_waits_for_its_release(settings: Settings) -> None:
    queue_id = kept(settings, "bob@contoso.test", "eve@outside.example")
    assert done(settings, CommandVerb.HOLD, queue_id).changed == 2
    assert done(settings, CommandVerb.RETRY, queue_id) == CommandResult(changed=0, claimed=0, held=2)


def test_commands_are_left_to_the_process_that_owns_the_spool(settings: Settings) -> None:
    async def scene() -> int:
        spool = await open_spool(settings)
        queue_id = await keep(spool, "bob@contoso.test")
        asked = asyncio.create_task(asyncio.to_thread(done, settings, CommandVerb.HOLD, queue_id))
        while not (commands := await spool.next_commands()):
            assert not asked.done()
        await spool.carry_out(commands[0], time.time())
        result = await asked
        await spool.close()
        return result.changed

    assert asyncio.run(scene()) == 1


def test_owner_that_does_not_answer_is_told_of(settings: Settings) -> None:
    async def scene() -> None:
        spool = await open_spool(settings)
        try:
            await asyncio.to_thread(done, settings, CommandVerb.HOLD, answer_seconds=0.0)
        finally:
            await spool.close()

    with pytest.raises(NoAnswer, match="as soon as the relay can"):
        asyncio.run(scene())
