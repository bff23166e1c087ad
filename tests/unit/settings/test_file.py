"""Every folder entry of tests/settings/bad is a settings file and the exact message that it must give."""

from pathlib import Path

import pytest

from staffetta.settings.file import SettingsError, load
from staffetta.settings.model import Settings

ROOT = Path(__file__).parents[3]
BAD = sorted((ROOT / "tests" / "settings" / "bad").glob("*.toml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_settings_are_told_by_line_and_key(path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(path)
    told = str(error.value).replace(str(path), path.name)
    assert told + "\n" == path.with_suffix(".expected").read_text(encoding="utf-8")


def test_there_are_enough_bad_examples() -> None:
    assert len(BAD) >= 25


def test_the_quickstart_is_good_and_its_paths_start_at_its_folder() -> None:
    settings = load(ROOT / "examples" / "quickstart.toml")
    assert isinstance(settings, Settings)
    assert settings.data_dir == ROOT / "var"


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: it cannot be read: No such file or directory"):
        load(Path("nowhere.toml"))


@pytest.mark.parametrize(
    ("transport", "host"),
    [
        ("smtp", "mail.contoso.test"),
        ("smtp", "mail.contoso.test."),
        ("smtp", "mail_relay"),
        ("smtp", "192.0.2.1"),
        ("smtp", "2001:db8::1"),
        ("lmtp", "/run/dovecot/lmtp"),
    ],
)
def test_a_next_hop_is_a_name_an_address_or_a_socket(transport: str, host: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    route = f'[[routes]]\nname = "out"\ntransport = "{transport}"\nnext_hops = [{{ host = "{host}" }}]\n'
    file.write_text(f'hostname = "relay.contoso.test"\ndata_dir = "var"\n{route}')
    assert load(file).routes[0].next_hops[0].host == host
