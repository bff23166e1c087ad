"""`staffetta spool`: sound, or damaged and what to do."""

import asyncio
from pathlib import Path

import pytest

from staffetta.spool.sqlite import SqliteSpool
from tests.unit.cli.test_main import command


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "staffetta.toml"
    path.write_text(f'hostname = "mail.contoso.test"\ndata_dir = "{tmp_path / "data"}"\n')

    async def make() -> None:
        await (await SqliteSpool.open(tmp_path / "data" / "spool", free_octets_min=0)).close()

    asyncio.run(make())
    return path


def test_a_sound_spool_is_left_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("spool", "check", "--config", config) == 0
    assert capsys.readouterr().out == "The spool is sound.\n"
    assert command("spool", "salvage", "--config", config) == 0
    assert not list((config.parent / "data" / "spool").glob("damaged-*"))


def test_a_damaged_spool_is_salvaged_and_the_next_check_is_content(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = config.parent / "data" / "spool" / "spool.db"
    database.write_bytes(bytes(4096) + database.read_bytes()[4096:])
    assert command("spool", "check", "--config", config) == 74
    assert "staffetta spool salvage" in capsys.readouterr().out
    assert command("spool", "salvage", "--config", config) == 0
    assert "0 messages saved" in (said := capsys.readouterr().out) and "damaged-" in said
    assert command("spool", "check", "--config", config) == 0
