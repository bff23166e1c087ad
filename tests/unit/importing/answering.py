"""What an imported settings file would answer, by the live path's own functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from staffetta.importing.draft import Imported
from staffetta.operations.local import local_office
from staffetta.operations.registry import find
from staffetta.settings.file import load
from staffetta.settings.model import Settings


@dataclass(frozen=True)
class Answer:
    accepted: bool
    next_hops: tuple[str, ...]
    route: str | None


def settings_of(imported: Imported, folder: Path) -> Settings:
    """Load the result as an operator would; settings that are wrong raise."""
    path = folder / "imported.toml"
    path.write_text(imported.toml.replace("/var/lib/staffetta", str(folder / "data")), encoding="utf-8")
    return load(path)


def answer(imported: Imported, folder: Path, ip: str, sender: str, to: str) -> Answer:
    return answers(imported, folder, sender, [(ip, to)])[ip, to]


def answers(
    imported: Imported, folder: Path, sender: str, cases: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Answer]:
    """Ask for each client's address and recipient."""
    settings_of(imported, folder)
    found = {}
    with local_office(folder / "imported.toml", "cli") as office:
        for ip, to in cases:
            (row,) = office.execute(find("Test-Relay"), {"IP": ip, "From": sender, "To": to}).rows
            shown = row.model_dump(mode="json", by_alias=True)
            found[ip, to] = Answer(shown["Accepted"], tuple(shown["NextHops"]), shown["Route"])
    return found
