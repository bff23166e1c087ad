"""A trace of many messages in a moment: rows with everything at random, and the same each time."""

import asyncio
import random
import sqlite3
from pathlib import Path

from staffetta.mail.queue_id import make_number
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.search import DATABASE_NAME

START = 1_800_000_000.0
DAYS = 12
STATES = ("delivered", "delivered", "delivered", "failed", "deleted", "deferred", "held", "ready", "in attempt")
SENDERS = ("app@contoso.com", "app@contoso.com", "ada@contoso.com", "fay@fabrikam.com", '"a@b"@sub.fabrikam.com', "")
RECIPIENTS = ("bob@example.net", "eve@example.net", "eve@fabrikam.com", "joe@deep.sub.fabrikam.com")
SUBJECTS = ("Monthly report", "Straße und Öl", "report 100% [new]", None)
CONNECTORS = ("printers", "erp", "Ours", None)


def written(folder: Path, count: int, days: float = DAYS, end: float = START, partition: int = 0) -> Path:
    """Write so many messages, evenly over the days before `end`, since 1970, with everything else at random."""

    async def make() -> None:
        await (await SqliteSpool.open(folder, partition=partition, free_octets_min=0)).close()

    asyncio.run(make())
    chance = random.Random(7)
    messages, recipients, events = [], [], []
    for place in range(count):
        at = end - days * 86_400 * (count - place) / count
        number = make_number(int(at * 1e6), partition, 0)
        sender, connector = chance.choice(SENDERS), chance.choice(CONNECTORS)
        subject, peer = chance.choice(SUBJECTS), f"192.0.2.{chance.randrange(5)}"
        messages.append((number, f"<{place // 2}@contoso.com>", subject, sender or None, sender, at, peer, connector))
        for recipient in range(chance.choice((1, 1, 1, 2, 5))):
            state, address = chance.choice(STATES), chance.choice(RECIPIENTS)
            due_at = at if state in ("deferred", "ready", "in attempt") else None
            attempts = chance.randrange(2)
            recipients.append((number, recipient, address, address, state, due_at, attempts))
            events.append((number, recipient, recipient, at, f'{{"host": "mx{chance.randrange(3)}.example.net"}}'))
    with sqlite3.connect(folder / DATABASE_NAME) as connection:
        connection.executemany(
            "INSERT INTO message (number, message_id, subject, reverse_path, reverse_path_key, received_at, "
            "peer_address, connector, body, smtputf8, require_tls, size, has_eight_bit, session_id, is_once) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '7BIT', 0, 0, 1, 0, 'S', 0)",
            messages,
        )
        connection.executemany(
            "INSERT INTO recipient (number, recipient, address, address_key, state, due_at, attempts, notify, route, "
            "destination) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'out', 'example.net')",
            recipients,
        )
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, 'Attempt', ?)", events)
    connection.close()
    return folder
