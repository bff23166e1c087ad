"""[acme]: whose certificate listeners serve with, and the exact words where it is wrong are in tests/settings/bad."""

from pathlib import Path

from staffetta.settings.acme import acme_certificate, acme_names
from staffetta.settings.acme_state import AcmeState, read_acme_state, write_acme_state
from staffetta.settings.file import load

TEXT = """
hostname = "Relay.Example.org"
data_dir = "data"

[acme]
terms_agreed = true

[[listeners]]
name = "smtp"
address = "127.0.0.1:0"

[[listeners]]
name = "own"
address = "127.0.0.1:0"
certificate = "own.pem"
private_key = "own.key"
"""


def test_listeners_that_name_no_certificate_serve_with_the_one_that_is_got(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(TEXT, encoding="utf-8")
    settings = load(path)
    smtp, own = settings.listeners
    assert smtp.certificate == smtp.private_key == acme_certificate(tmp_path / "data")
    assert (own.certificate, own.private_key) == (tmp_path / "own.pem", tmp_path / "own.key")
    assert acme_names(settings) == ("relay.example.org",)


def test_the_state_of_the_last_order_is_kept_and_a_torn_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    assert read_acme_state(tmp_path) is None
    state = AcmeState(1.0, 2.0, 3, "the authority refuses: no")
    write_acme_state(tmp_path, state)
    assert read_acme_state(tmp_path) == state
    assert [each.name for each in (tmp_path / "acme").iterdir()] == ["state.json"]
    (tmp_path / "acme" / "state.json").write_text('{"at": 1')
    assert read_acme_state(tmp_path) is None
