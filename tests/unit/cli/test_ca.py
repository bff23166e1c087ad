"""`staffetta ca`, as it is typed."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from staffetta.cli.main import run

NAME = "scanner.contoso.com"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text('hostname = "relay.example"\ndata_dir = "data"\n', encoding="utf-8")
    monkeypatch.setenv("STAFFETTA_CONFIG", str(path))
    return path


@pytest.fixture
def issued(config: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a relay that has issued one certificate."""
    assert (ca("init"), ca("issue", NAME)) == (0, 0)
    capsys.readouterr()
    return config.parent


def ca(*words: object) -> int:
    return run(["ca", *(str(word) for word in words)], serve=lambda _: 70)


def test_issuing_says_which_files_and_what_the_connector_says(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca("init")
    assert ca("issue", "*.contoso.com", "--name", "contoso.com", "--name", NAME) == 0
    said = capsys.readouterr().out
    assert f"*.contoso.com, contoso.com, {NAME}: valid until " in said
    assert str(config.parent / "data" / "ca" / "issued" / "_wildcard.contoso.com.pem") in said
    assert "staffetta ca export '*.contoso.com' --pfx FILE" in said
    assert '  tls_sender_certificate_name = "*.contoso.com"\n  trusted_authority = "own"\n' in said


@pytest.mark.parametrize("more", [[], ["--legacy"]])
def test_a_pfx_has_a_password_that_is_printed_once(
    issued: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = issued / "scanner.pfx"
    assert ca("export", NAME, "--pfx", path, *more) == 0
    password = capsys.readouterr().out.rpartition(": ")[2].strip()
    assert len(password) == 20
    assert pkcs12.load_pkcs12(path.read_bytes(), password.encode()).key is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_password_may_come_from_a_file_and_is_not_printed(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (issued / "password").write_text("Straßburg 12\nmore\n", encoding="utf-8")
    assert ca("export", NAME, "--pfx", issued / "x.pfx", "--password-file", issued / "password") == 0
    pkcs12.load_pkcs12((issued / "x.pfx").read_bytes(), "Straßburg 12".encode())
    assert "Straßburg" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "status"), [(["one", "one"], 0), (["one", "two"], 64), (["", ""], 64)], ids=["same", "other", "empty"]
)
def test_a_password_that_is_asked_for_is_typed_twice(
    issued: Path, typed: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed.pop(0))
    assert ca("export", NAME, "--pfx", issued / "x.pfx", "--ask-password") == status
    assert (issued / "x.pfx").exists() == (status == 0)


def test_an_export_overwrites_nothing_unless_told_to(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = issued / "scanner.pem"
    path.write_text("precious")
    assert ca("export", NAME, "--pem", path) == 64
    assert path.read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert ca("export", NAME, "--pem", path, "--force") == 0
    assert path.read_text().count("BEGIN") == 3


def test_an_export_follows_no_link(issued: Path) -> None:
    (issued / "victim").write_text("precious")
    (issued / "link.pem").symlink_to(issued / "victim")
    assert ca("export", NAME, "--pem", issued / "link.pem", "--force") == 0
    assert (issued / "victim").read_text() == "precious"


@pytest.mark.parametrize("words", [[], ["--pfx", "a", "--pem", "b"], ["--pfx", "a", "--password-file", "/nonexistent"]])
def test_an_export_without_a_clear_order_is_wrong_usage(
    issued: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(issued)
    assert ca("export", NAME, *words) == 64
    assert sorted(path.name for path in issued.iterdir()) == ["data", "relay.toml"]


def test_the_list_shows_each_certificate_and_its_days(issued: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (ca("renew", NAME), ca("issue", "b.test", "--days", "30"), ca("revoke", "b.test")) == (0, 0, 0)
    capsys.readouterr()
    assert ca("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["use"], row["name"], row["condition"], row["days_left"]) for row in rows] == [
        ("own authority", "own", "valid", 3649),
        ("issued", "b.test", "revoked", 29),
        ("issued", NAME, "replaced", 397),
        ("issued", NAME, "valid", 397),
    ]
    assert ca("list") == 0
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["init"], 64, "--force"),
        (["issue", NAME], 64, "staffetta ca renew"),
        (["renew", "b.test"], 66, "staffetta ca list"),
        (["revoke", "b.test"], 66, "staffetta ca list"),
        (["export", "b.test", "--pem", "x"], 66, "staffetta ca list"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_refusal_has_its_status_and_says_what_to_type(
    issued: Path, words: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ca(*words) == status
    assert told in capsys.readouterr().err
