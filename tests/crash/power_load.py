"""A spool at work, to be traced: `python -m tests.crash.power_load FOLDER ACKNOWLEDGED SEED`.

Each line of the second file is a promise, written when it was made: `kept NUMBER PLACE`, `closed NUMBER`. `closing
NUMBER` is none: it says that the message may be closed from now on.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from staffetta.mail.outcome import Delivered, Stage
from staffetta.spool.spool import Claim, RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from tests.keeping import keep

NOW = 1_800_000_000.0
ROUNDS = 12
SMALL_OCTETS_MAX = 6_000


def content_of(place: int) -> bytes:
    """Every third has overflow pages; every fifth is a file."""
    line = b"This is %d and nothing else.\r\n" % place
    return b"Subject: %d\r\n\r\n" % place + line * (400 if place % 5 == 4 else 170 if place % 3 == 2 else 3)


async def work(folder: Path, acknowledged: int, seed: int) -> None:
    chance = random.Random(seed)
    spool = await open_spool(folder)
    place = 0
    for _ in range(ROUNDS):
        count = chance.randrange(1, 5)
        await asyncio.gather(*(_keep(spool, acknowledged, place + at) for at in range(count)))
        place += count
        if chance.random() < 0.6:
            claims = await spool.claim("out", "example.net", None, NOW, chance.randrange(1, 4))
            await asyncio.gather(*(_close(spool, acknowledged, claim) for claim in claims))
        if chance.random() < 0.15:
            await spool.close()
            spool = await open_spool(folder)
    await spool.close()


async def open_spool(folder: Path) -> SqliteSpool:
    return await SqliteSpool.open(
        folder, free_octets_min=0, content_in_memory_octets_max=SMALL_OCTETS_MAX, clock=lambda: NOW
    )


async def _keep(spool: SqliteSpool, acknowledged: int, place: int) -> None:
    number = await keep(spool, place, content_of(place), NOW)
    os.write(acknowledged, b"kept %d %d\n" % (number, place))


async def _close(spool: SqliteSpool, acknowledged: int, claim: Claim) -> None:
    await spool.begin_attempt(claim, [0], {}, NOW)
    os.write(acknowledged, b"closing %d\n" % claim.number)
    outcome = Delivered(status="2.0.0", diagnostic="250 Ok", stage=Stage.FINAL_DOT)
    await spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, outcome, events=())])
    os.write(acknowledged, b"closed %d\n" % claim.number)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND), int(sys.argv[3])))
