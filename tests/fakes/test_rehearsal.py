"""The rehearsal's settings are such as a relay takes."""

from pathlib import Path

from staffetta.settings.file import load
from tests.fakes.__main__ import MAILBOX, SECRET, SETTINGS


def test_the_settings_that_the_rehearsal_prints_can_be_loaded(tmp_path: Path) -> None:
    printed = SETTINGS.format(
        secret=SECRET,
        token="http://127.0.0.1:1/token",
        client="app",
        graph_scope="https://graph.microsoft.com",
        smtp_scope="https://outlook.office365.com",
        graph="http://127.0.0.1:2/v1.0",
        mailbox=MAILBOX,
        submission=3,
        relay=4,
    )
    file = tmp_path / "relay.toml"
    file.write_text(f'hostname = "relay.example"\ndata_dir = "data"\n{printed}', encoding="utf-8")
    assert [route.name for route in load(file).routes] == ["graph", "submission", "relay"]
