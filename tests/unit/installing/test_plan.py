"""A server is made ready by steps that can be read first, and that leave alone what is there."""

from pathlib import Path

import pytest

from staffetta.installing.plan import CannotSetUp, Machine, steps, text_of
from staffetta.settings.file import load


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, Path("/opt/staffetta/bin"), "relay.contoso.com", "contoso.com")


def test_the_settings_to_begin_with_are_right(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "staffetta.toml"
    path.write_text(text_of("staffetta.toml", machine))
    settings = load(path)
    assert settings.hostname == "relay.contoso.com"
    assert [domain.name for domain in settings.accepted_domains] == ["contoso.com"]
    assert f'drop = "{settings.drop}"' in text_of("sendmail.toml", machine)
    assert f"{settings.drop} " in text_of("tmpfiles.conf", machine)


def test_reading_the_steps_does_nothing(machine: Machine, tmp_path: Path) -> None:
    assert len([step.words for step in steps(machine, with_sendmail=True)]) == 12
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_there_stay(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "etc/staffetta").mkdir(parents=True)
    (tmp_path / "etc/staffetta/staffetta.toml").write_text("mine")
    assert not any("staffetta.toml" in step.words for step in steps(machine, with_sendmail=False))


def test_another_mail_program_is_not_put_aside(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/sendmail").write_text("of Postfix")
    link = next(step for step in steps(machine, with_sendmail=True) if "sbin/sendmail" in step.words)
    with pytest.raises(CannotSetUp, match="another mail program"):
        link.take()


def test_a_link_that_is_there_is_no_step(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/sendmail").symlink_to("/opt/staffetta/bin/sendmail")
    assert not any("sbin/sendmail" in step.words for step in steps(machine, with_sendmail=True))


def test_manual_and_completions_are_written_below_share(machine: Machine, tmp_path: Path) -> None:
    shared = {"man/man1/staffetta.1": "page", "zsh/site-functions/_staffetta": "completion"}
    for step in steps(machine, with_sendmail=False, shared=shared):
        if "usr/local/share" in step.words:
            step.take()
    assert {name: (tmp_path / "usr/local/share" / name).read_text() for name in shared} == shared
