"""`staffetta account`: what is printed fits into the settings, and into a device."""

import io
import json
import sys

import pytest

from staffetta.settings.passwords import verify
from tests.unit.cli.test_main import command


def test_new_password_comes_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("account", "new-password") == 0
    password, hashed = (line.split(":", 1)[1].strip() for line in capsys.readouterr().out.splitlines())
    assert len(password) == 20
    assert verify(hashed, password.encode())


def test_new_password_fits_a_numeric_keypad_and_says_that_it_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("account", "new-password", "--length", 8, "--alphabet", "digits", "--json") == 0
    printed = capsys.readouterr()
    (made,) = json.loads(printed.out)
    assert len(made["password"]) == 8 and made["password"].isdigit()
    assert "is short" in printed.err


@pytest.mark.parametrize("arguments", [("--length", 5), ("--length", 129), ("--alphabet", "runes")])
def test_what_no_device_takes_is_a_usage_error(arguments: tuple[object, ...]) -> None:
    assert command("account", "new-password", *arguments) == 64


def test_hash_of_standard_input_is_printed_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("right horse\n"))
    assert command("account", "hash") == 0
    assert verify(capsys.readouterr().out.strip(), b"right horse")


def test_empty_password_is_not_hashed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert command("account", "hash") == 64
    assert "new-password" in capsys.readouterr().err
