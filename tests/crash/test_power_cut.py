"""The power is cut: whatever a disk may have kept of what was not synced, nothing acknowledged is lost."""

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest

from staffetta.spool.sqlite import SqliteSpool
from tests.crash.power import Disk, record
from tests.crash.power_load import NOW, content_of
from tests.crash.tracing import missing
from tests.live.conftest import need

pytestmark = pytest.mark.crash

LOGS = int(os.environ.get("STAFFETTA_POWER_LOGS", "2"))
"""Recorded runs; `make power` records 500."""
IMAGES_PER_LOG = int(os.environ.get("STAFFETTA_POWER_IMAGES", "40"))
"""After how many calls of a run the power is cut; of fewer calls, after each. `make power`: after every call."""
SHARES = (0.0, 0.5, 0.9, 1.0)


@pytest.mark.parametrize("seed", range(LOGS))
def test_every_state_that_a_power_cut_may_leave_has_what_was_acknowledged(seed: int, tmp_path: Path) -> None:
    need(missing())
    folder = tmp_path / "spool"
    calls = record(folder, tmp_path / "acknowledged", seed, tmp_path / "log")
    chance = random.Random(seed)
    ends = set(chance.sample(range(len(calls)), min(IMAGES_PER_LOG, len(calls)))) | {len(calls) - 1}
    disk = Disk(folder)
    for place, call in enumerate(calls):
        disk.apply(call)
        if place in ends:
            image = tmp_path / "image"
            share = chance.choice(SHARES)
            disk.image(image, chance, share)
            assert_promises_hold(image, disk.promises, f"seed {seed}, call {place} of {len(calls)}, share {share}")
            shutil.rmtree(image, ignore_errors=True)
    assert any(line.startswith("closed") for line in disk.promises)


def assert_promises_hold(image: Path, promises: list[str], where: str) -> None:
    kept = {int(words[1]): int(words[2]) for line in promises if (words := line.split())[0] == "kept"}
    closing = {int(words[1]) for line in promises if (words := line.split())[0] == "closing"}
    closed = {int(words[1]) for line in promises if (words := line.split())[0] == "closed"}
    found = asyncio.run(_open_messages(image))
    assert kept.keys() - closing <= found.keys(), f"{where}: acknowledged and lost"
    assert not closed & found.keys(), f"{where}: closed, and open again"
    for number in kept.keys() & found.keys():
        assert found[number] == content_of(kept[number]), f"{where}: content changed"


async def _open_messages(image: Path) -> dict[int, bytes]:
    spool = await SqliteSpool.open(image, free_octets_min=0, clock=lambda: NOW)
    found = {}
    try:
        while claims := await spool.claim("out", "example.net", None, NOW + 10_000, 100):
            for claim in claims:
                found[claim.number] = b"".join([chunk async for chunk in claim.content.chunks()])
    finally:
        await spool.close()
    return found


def test_the_simulation_sees_a_spool_that_does_not_sync(tmp_path: Path) -> None:
    """A test of the test: with the syncs of the log left out of the record, acknowledged mail is missed."""
    need(missing())
    folder = tmp_path / "spool"
    calls = record(folder, tmp_path / "acknowledged", 1, tmp_path / "log")
    disk = Disk(folder)
    for call in calls:
        if not (call.path.endswith("-wal") and call.name in ("fsync", "fdatasync")):
            disk.apply(call)
        if len(disk.promises) > 3:
            break
    disk.image(tmp_path / "image", random.Random(1), 0.0)
    with pytest.raises(AssertionError, match="acknowledged and lost"):
        assert_promises_hold(tmp_path / "image", disk.promises, "unsynced")
