"""A long trace for bench/console.py, written in bulk: SQL makes the rows that the spool's own writer would have made.

Evenly over 30 days: a third of all mail is of one sender, one in 1,000 of tailspin.com, the rest of 1,000 senders at
contoso.com; 5,000 recipients, a fourth of the messages has two; 20 connectors; one subject in 100 is not ASCII. One
message in 500 failed. What waits is of the last five days; some of it is held. 100,000 refusals of the last day, the
counts of the charts, and 10,000 changes in the audit.
"""

import contextlib
import sqlite3
import time
from pathlib import Path

from staffetta.directory.database import DATABASE_NAME as DIRECTORY_NAME
from staffetta.mail.queue_id import make_number
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, Account, InboundConnector, Organization
from staffetta.settings.roads import NextHop, Route
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.flow import SLOT_SECONDS
from staffetta.trace.search import DATABASE_NAME

DAYS = 30
SECONDS = DAYS * 86_400
REFUSALS = 100_000
CHANGES = 10_000
WITHOUT_MAIL, WITH_SOME = "fabrikam", "tailspin"
"""Organisations: of the first there is nothing in the trace, of the second one message in 1,000."""

_N = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
_SENDER = """CASE WHEN i % 1000 = 5 THEN 'sales@tailspin.com' WHEN i % 3 = 0 THEN 'noreply@contoso.com'
    ELSE 'user' || (i * 7919 % 1000) || '@contoso.com' END"""
_CONNECTOR = "'connector ' || (i % 20)"
_RECIPIENT = "'r' || ((i * 104729 + p) % 5000) || '@example.net'"
_IS_OPEN = "i > :count * 5 / 6 AND (i + p) % :one_in = 3"
_STATE = f"""CASE WHEN {_IS_OPEN} THEN iif(i % 50 = 1, 'held', 'deferred') WHEN i % 500 = 7 THEN 'failed'
    ELSE 'delivered' END"""
_STATEMENTS = (
    f"""INSERT INTO message (number, message_id, subject, reverse_path, reverse_path_key, body, smtputf8, require_tls,
        size, has_eight_bit, received_at, session_id, peer_address, helo, connector, is_once)
    {_N} SELECT :first + i * :step, '<' || i || '@contoso.com>',
        iif(i % 100 = 50, 'Rechnung für Mai ', 'Invoice of the month ') || i, {_SENDER}, {_SENDER}, '7BIT', 0, 0, 4096,
        0, :from + i * :seconds, 'S', '192.0.2.' || (i % 200), 'device', {_CONNECTOR}, 0 FROM n""",
    f"""INSERT INTO recipient (number, recipient, address, address_key, notify, route, destination, connector, state,
        due_at, attempts, diagnostic)
    {_N} SELECT :first + i * :step, p, {_RECIPIENT}, {_RECIPIENT}, 0, 'out', 'd' || (i % 40) || '.example.net',
        {_CONNECTOR}, {_STATE}, iif({_STATE} = 'deferred', :now + 60 + i % 9999, NULL), 1,
        'mx.example.net: 250 2.0.0 Ok' FROM n CROSS JOIN (SELECT 0 AS p UNION ALL SELECT 1) WHERE p = 0 OR i % 4 = 1""",
    f"""INSERT INTO event (number, sequence, recipient, at, kind, detail)
    {_N} SELECT :first + i * :step, s, iif(s, 0, NULL), :from + i * :seconds + s,
        CASE s WHEN 0 THEN 'Receive' WHEN 1 THEN 'Attempt' ELSE 'Send' END,
        '{{"host": "mx.example.net", "reply": "250 2.0.0 Ok: queued as 4XyZ", "tls": "TLSv1.3"}}'
    FROM n CROSS JOIN (SELECT 0 AS s UNION ALL SELECT 1 UNION ALL SELECT 2)""",
)
_REFUSALS = f"""INSERT INTO refusal {_N} SELECT :first + i * :step, :from + i * :seconds, 'S' || i, 'relay',
    '198.51.100.' || (i % 250), 'pc', NULL, 'user' || (i % 100) || '@contoso.com', 'r' || i || '@example.net',
    '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'relay denied',
    '{{"accepted domains": 300, "connectors": 20, "certificate_names": "pc.contoso.com"}}' FROM n"""
_FLOW = f"""INSERT INTO flow {_N} SELECT :first + i / 22, CASE i % 22 WHEN 20 THEN 'delivered' WHEN 21 THEN 'refused'
    ELSE 'accepted' END, iif(i % 22 < 20, 'connector ' || (i % 22), 'out'), 1 + i % 7 FROM n"""
_AUDIT = f"""INSERT INTO audit (at, actor, source, operation, organization, kind, target, before, after)
    {_N} SELECT :from + i, 'ada', 'console', 'Set-InboundConnector', '', 'inbound connector', 'connector ' || (i % 20),
    '{{"Comment": "before"}}', '{{"Comment": "after"}}' FROM n"""


def declared(settings: Settings) -> Settings:
    """Return settings with as much in them as such a relay would have."""
    own = [AcceptedDomain(name=f"{WITH_SOME}.com", route="inside", organization=WITH_SOME)]
    return settings.model_copy(
        update={
            "organizations": (Organization(name=WITHOUT_MAIL), Organization(name=WITH_SOME)),
            "inbound_connectors": tuple(
                InboundConnector(name=f"connector {each}", sender_ip_addresses=(f"192.0.2.{each}",))
                for each in range(20)
            ),
            "accepted_domains": (
                *settings.accepted_domains,
                *own,
                *(AcceptedDomain(name=f"d{each}.contoso.com", route="inside") for each in range(300)),
            ),
            "accounts": tuple(Account(user_name=f"printer-{each}@contoso.com") for each in range(200)),
            "routes": (*settings.routes, Route(name="out", next_hops=(NextHop(host="192.0.2.9"),))),
        }
    )


async def fill(folder: Path, *, messages: int, waiting: int, now: float | None = None) -> None:
    """Write the trace of a data folder in which there is a directory; the newest message is of now."""
    await (await SqliteSpool.open(folder / "spool")).close()
    now = time.time() if now is None else now
    with contextlib.closing(sqlite3.connect(folder / "spool" / DATABASE_NAME)) as connection, connection:
        connection.execute("PRAGMA cache_size = -200000")
        one_in = max(5, int(messages / 6 * 1.25 / max(waiting, 1)))
        values = {"now": now, "one_in": one_in, **_series(now, SECONDS, messages)}
        for statement in _STATEMENTS:
            connection.execute(statement, values)
        connection.execute(_REFUSALS, _series(now, 86_400, REFUSALS))
        slots = SECONDS // SLOT_SECONDS
        connection.execute(_FLOW, {"first": int(now // SLOT_SECONDS) - slots + 1, "count": slots * 22})
    with contextlib.closing(sqlite3.connect(folder / DIRECTORY_NAME)) as connection, connection:
        connection.execute(_AUDIT, {"from": now - CHANGES, "count": CHANGES})


def _series(now: float, seconds: int, count: int) -> dict[str, float]:
    """Numbers and times of so many rows, evenly over the seconds before now."""
    began = now - seconds
    return {
        "count": count,
        "first": make_number(int(began * 1e6), 0, 0),
        "step": int(seconds / count * 1e6) << 8,
        "from": began,
        "seconds": seconds / count,
    }
