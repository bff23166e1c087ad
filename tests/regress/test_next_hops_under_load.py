"""A next hop that fails in every way for some, while many messages pass: no other is hurt by it, and nothing lost.

What each fault alone leads to shows tests/live/test_matrix.py; here they come mixed, at once, and again and again.
"""

import asyncio
from collections import Counter

from staffetta.settings.model import Delivery, QueueSettings
from staffetta.trace.events import EventKind
from tests.delivery_sockets.fake_hop import Answer, Fault
from tests.regress.relay import INSIDER, Running, relay

MESSAGES_OF_EACH = 3
CLIENTS = 6
SHORT_SECONDS = 3.0  # a hop that is silent costs as much, and a busy machine is not silent for so long
PATIENCE_SECONDS = 120.0

# By the local part of the recipient: at which step what is answered, the first time. Whoever is not here is well.
FAULTS: dict[str, tuple[str, Answer]] = {
    "later": ("RCPT", b"450 4.2.0 later\r\n"),
    "full": ("RCPT", b"452 4.5.3 too many\r\n"),
    "closing": ("RCPT", b"421 4.3.2 closing\r\n"),
    "garbage": ("RCPT", b"\0\1\2 what\r\n"),
    "lost": ("RCPT", Fault.CLOSE),
    "reset": ("RCPT", Fault.RESET),
    "dot": ("CONTENT", b"451 4.3.0 not now\r\n"),
    "doubt": ("CONTENT", Fault.CLOSE),  # it has the content; nobody can know whether it has the message
    "silent": ("RCPT", Fault.SILENCE),
    "endless": ("RCPT", b"250-more\r\n" * 3000),
}
NEVER = "never"
KINDS = ("well", NEVER, *FAULTS)  # of the last two, which cost time, one message is enough


class Hop:
    """Answers by the recipient that was named last in a connection's transaction; one fault for each message."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.latest = ""

    def __call__(self, step: str, line: str) -> Answer:
        if step == "RCPT":
            self.latest = line.partition("<")[2].partition("@")[0]
        kind = self.latest.partition("-")[0]
        if kind == NEVER and step == "RCPT":
            return b"550 5.1.1 no such user\r\n"
        at, answer = FAULTS.get(kind, ("", None))
        if step != at or self.latest in self.failed:
            return None
        self.failed.add(self.latest)
        return answer


async def send(running: Running, names: list[str]) -> None:
    client = await running.connect()
    for name in names:
        await client.say(f"MAIL FROM:<{INSIDER}> RET=HDRS\nRCPT TO:<{name}@outside.example>\nDATA\n", 3)
        assert (await client.say(f"Subject: {name}\n\nx\n.\n"))[0].startswith("250 2.6.0")
    client.writer.close()


def test_faults_of_every_kind_under_load_cost_nobody_a_message() -> None:
    names = [f"{kind}-{number}" for number in range(MESSAGES_OF_EACH) for kind in KINDS[: -2 if number else None]]
    queue = QueueSettings(retry_first_seconds=0.05, retry_max_seconds=0.2, unknown_retry_seconds=0.1)
    delivery = Delivery(connect_timeout_seconds=20, reply_timeout_seconds=SHORT_SECONDS)

    async def main() -> None:
        # One connection at a time, so that the latest recipient is the one that is answered.
        async with relay(script=Hop(), road={"concurrency": 1}, queue=queue, delivery=delivery) as running:
            await asyncio.gather(*(send(running, names[client::CLIENTS]) for client in range(CLIENTS)))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not is_all_closed(running):  # noqa: ASYNC110 - the spool under test has no event to wait for
                    await asyncio.sleep(0.02)
            copies, doubts = arrived(running), doubted(running)
            assert set(copies) == {name for name in names if not name.startswith(NEVER)}
            for name, count in copies.items():
                assert count <= 1 + doubts[name]
            reports = [message for message in running.left() if message.mail.startswith("MAIL FROM:<>")]
            assert len(reports) == MESSAGES_OF_EACH
            assert all(b"5.1.1" in report.content for report in reports)

    asyncio.run(main())


def arrived(running: Running) -> Counter[str]:
    """How often each message came, by its recipient."""
    messages = [message for message in running.left() if message.mail.startswith(f"MAIL FROM:<{INSIDER}>")]
    return Counter(message.recipients[0].partition("<")[2].partition("@")[0] for message in messages)


def doubted(running: Running) -> Counter[str]:
    """How often it could not be known whether the hop has it."""
    found: Counter[str] = Counter()
    for (number, _), kept in running.spool.recipients.items():
        events = running.spool.events.get(number, ())
        found[kept.routed.recipient.mailbox.local_part] += sum(each.kind is EventKind.UNKNOWN for each in events)
    return found


def is_all_closed(running: Running) -> bool:
    return all(kept.state.value in ("delivered", "failed") for kept in running.spool.recipients.values())
