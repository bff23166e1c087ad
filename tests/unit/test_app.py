"""What the wired relay tells of its parts."""

import asyncio
from pathlib import Path

import pytest

from staffetta.app import Relay
from staffetta.settings.file import load
from staffetta.spool.spool import DueLine
from staffetta.spool.sqlite import SqliteSpool

FILE = """
hostname = "relay.contoso.test"
data_dir = "var"
"""


def test_readiness_tells_of_a_part_of_the_queue_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(spool: SqliteSpool) -> list[DueLine]:
        raise RuntimeError("a bug")

    async def main() -> None:
        file = tmp_path / "settings.toml"
        file.write_text(FILE)
        relay = Relay(load(file), file)
        monkeypatch.setattr(SqliteSpool, "due", broken)
        await relay.start()
        try:
            assert relay.obstacles() == []
            async with asyncio.timeout(10):
                while not (obstacles := relay.obstacles()):  # noqa: ASYNC110  (nothing tells of it)
                    await asyncio.sleep(0)
            assert obstacles == ["queue: the poll failed, and goes on as it can; the log has the error"]
        finally:
            await relay.stop(grace_seconds=1)

    asyncio.run(main())
