"""The private authority on disk: what it issues, what it refuses, and what it leaves behind."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from staffetta.operations import authority
from staffetta.operations.ledger import Folder
from staffetta.operations.registry import OperationError
from staffetta.settings.model import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAME = "scanner.contoso.com"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(hostname="relay.example", data_dir=tmp_path / "data")


@pytest.fixture
def folder(settings: Settings) -> Folder:
    """The folder of an authority that has been made."""
    authority.init(settings, now=NOW)
    return Folder.of(settings)


def revoked_serials(folder: Folder) -> set[str]:
    found = x509.load_pem_x509_crl(folder.revocation_list.read_bytes())
    return {f"{entry.serial_number:x}" for entry in found}


def test_nobody_else_can_read_anything_of_it(settings: Settings, folder: Folder) -> None:
    authority.issue(settings, NAME, now=NOW)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder.path, *folder.path.rglob("*")]}
    assert len(modes) == 8
    assert {path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_makes_belongs_to_the_user_of_the_data_folder(settings: Settings) -> None:
    settings.data_dir.mkdir()
    os.chown(settings.data_dir, 65534, 65534)
    authority.init(settings, now=NOW)
    authority.issue(settings, NAME, now=NOW)
    folder = Folder.of(settings).path
    assert {path.stat().st_uid for path in [folder, *folder.rglob("*")]} == {65534}


def test_an_empty_revocation_list_is_there_from_the_start(folder: Folder) -> None:
    assert revoked_serials(folder) == set()


def test_names_are_written_as_they_are_compared(settings: Settings, folder: Folder) -> None:
    entry = authority.issue(settings, "Scanner.Contoso.COM", more_names=["*.Bücher.example", NAME], now=NOW)
    assert entry.names == (NAME, "*.xn--bcher-kva.example")
    certificate = folder.credential(NAME).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == entry.names


def test_renewal_keeps_names_and_key_and_the_old_one_in_force(settings: Settings, folder: Folder) -> None:
    first = authority.issue(settings, NAME, more_names=["b.contoso.com"], now=NOW)
    key = folder.issued_key(NAME).read_bytes()
    second = authority.renew(settings, NAME, now=NOW + timedelta(days=370))
    assert (second.names, folder.issued_key(NAME).read_bytes()) == (first.names, key)
    assert second.serial != first.serial
    assert revoked_serials(folder) == set()


@pytest.mark.parametrize("is_rsa", [False, True])
def test_renewal_with_a_new_key_makes_one_of_the_same_kind(settings: Settings, folder: Folder, is_rsa: bool) -> None:
    authority.issue(settings, NAME, now=NOW, is_rsa=is_rsa)
    before = folder.credential(NAME).key
    authority.renew(settings, NAME, now=NOW, is_key_new=True)
    after = folder.credential(NAME).key
    assert type(after) is type(before)
    assert after.public_key() != before.public_key()


def test_revocation_takes_every_certificate_of_the_name_or_the_one_that_is_meant(
    settings: Settings, folder: Folder
) -> None:
    first = authority.issue(settings, NAME, now=NOW)
    second = authority.renew(settings, NAME, now=NOW)
    other = authority.issue(settings, "other.contoso.com", now=NOW)
    (gone,) = authority.revoke(settings, NAME, now=NOW, serial=f"00:{first.serial.upper()}")
    assert gone.revoked_at == NOW
    assert revoked_serials(folder) == {first.serial}
    authority.revoke(settings, NAME, now=NOW + timedelta(days=1))
    assert revoked_serials(folder) == {first.serial, second.serial}
    assert other.serial not in revoked_serials(folder)
    assert folder.read_ledger().of(NAME)[0].revoked_at == NOW  # the first day counts


def test_a_list_that_a_killed_command_left_behind_the_ledger_is_made_good(settings: Settings, folder: Folder) -> None:
    entry = authority.issue(settings, NAME, now=NOW)
    before = folder.revocation_list.read_bytes()
    authority.revoke(settings, NAME, now=NOW)
    folder.revocation_list.write_bytes(before)
    authority.revoke(settings, NAME, now=NOW)
    assert revoked_serials(folder) == {entry.serial}


def test_after_revocation_and_after_the_end_a_name_may_be_issued_anew(settings: Settings, folder: Folder) -> None:
    first = authority.issue(settings, NAME, now=NOW, days=10)
    second = authority.issue(settings, NAME, now=NOW + timedelta(days=11), days=10)
    authority.revoke(settings, NAME, now=NOW + timedelta(days=11))
    third = authority.issue(settings, NAME, now=NOW + timedelta(days=11), days=10)
    assert folder.read_ledger().entries[-1] == third
    assert revoked_serials(folder) == {first.serial, second.serial}


def test_another_authority_puts_the_old_one_aside_whole(settings: Settings, folder: Folder) -> None:
    authority.issue(settings, NAME, now=NOW)
    old = {path.name: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    authority.init(settings, now=NOW, force=True)
    (aside,) = settings.data_dir.glob("ca-until-*")
    assert {path.name: path.read_bytes() for path in aside.rglob("*") if path.is_file()} == old
    assert folder.read_ledger().entries == ()


def test_an_authority_that_a_killed_command_left_unfinished_is_made_without_force(
    settings: Settings, folder: Folder
) -> None:
    folder.certificate.unlink()
    authority.init(settings, now=NOW)
    folder.root()


def test_an_export_holds_certificate_root_and_key(settings: Settings, folder: Folder) -> None:
    authority.issue(settings, NAME, now=NOW)
    pem = authority.export_pem(settings, NAME)
    assert [each.subject for each in x509.load_pem_x509_certificates(pem)][1] == folder.root().certificate.subject
    assert b"PRIVATE KEY" in pem
    read = pkcs12.load_pkcs12(authority.export_pfx(settings, NAME, "secret"), b"secret")
    assert read.cert is not None and read.cert.friendly_name == NAME.encode()


REFUSALS: dict[str, tuple[Callable[[Settings], object], str]] = {
    "a second authority": (lambda settings: authority.init(settings, now=NOW), "--force puts it aside"),
    "a second certificate": (lambda settings: authority.issue(settings, NAME, now=NOW), "staffetta ca renew"),
    "an address": (lambda settings: authority.issue(settings, "192.0.2.1", now=NOW), "Write scanner.contoso.com"),
    "a trailing dot": (lambda settings: authority.issue(settings, "a.test.", now=NOW), "Write scanner.contoso.com"),
    "a wildcard inside": (lambda settings: authority.issue(settings, "a.*.test", now=NOW), "Write scanner.contoso"),
    "a wildcard label": (lambda settings: authority.issue(settings, "a*.test", now=NOW), "Write scanner.contoso"),
    "a wildcard alone": (lambda settings: authority.issue(settings, "*", now=NOW), "Write scanner.contoso.com"),
    "a top level": (lambda settings: authority.issue(settings, "*.com", now=NOW), "Write \\*.contoso.com"),
    "a path": (lambda settings: authority.issue(settings, "../../etc/x", now=NOW), "Write scanner.contoso.com"),
    "a NUL": (lambda settings: authority.issue(settings, "a.test\0.evil.test", now=NOW), "Write scanner.contoso.com"),
    "a long name": (lambda settings: authority.issue(settings, ".".join(["a" * 60] * 4), now=NOW), "shorter"),
    "no days": (lambda settings: authority.issue(settings, "b.test", now=NOW, days=0), "--days is 1 to 3650"),
    "more days than the root": (
        lambda settings: authority.issue(settings, "b.test", now=NOW + timedelta(days=3600)),
        "--days is 1 to 50",
    ),
    "renewal of nothing": (lambda settings: authority.renew(settings, "b.test", now=NOW), "ca list"),
    "revocation of nothing": (lambda settings: authority.revoke(settings, "b.test", now=NOW), "ca list"),
    "another's serial number": (
        lambda settings: authority.revoke(settings, NAME, now=NOW, serial="12"),
        "no certificate of serial number 12",
    ),
    "export of nothing": (lambda settings: authority.export_pem(settings, "b.test"), "ca list"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_says_what_to_do_and_changes_nothing(what: str, settings: Settings, folder: Folder) -> None:
    authority.issue(settings, NAME, now=NOW)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    call, words = REFUSALS[what]
    with pytest.raises(OperationError, match=words):
        call(settings)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_renewal_of_what_was_revoked_is_refused(settings: Settings, folder: Folder) -> None:
    authority.issue(settings, NAME, now=NOW)
    authority.revoke(settings, NAME, now=NOW)
    with pytest.raises(OperationError, match=f"staffetta ca issue {NAME}"):
        authority.renew(settings, NAME, now=NOW)


@pytest.mark.parametrize("act", [authority.issue, authority.renew, authority.revoke])
def test_without_an_authority_every_command_says_how_to_make_one(
    settings: Settings, act: Callable[..., object]
) -> None:
    with pytest.raises(OperationError, match="staffetta ca init"):
        act(settings, NAME, now=NOW)


def test_damage_is_told_of_and_not_overwritten(settings: Settings, folder: Folder) -> None:
    folder.ledger.write_text("{")
    with pytest.raises(OperationError, match="restore it from a backup"):
        authority.issue(settings, NAME, now=NOW)
    assert folder.ledger.read_text() == "{"
    folder.key.write_bytes(b"")
    with pytest.raises(OperationError, match=r"ca\.pem and ca\.key cannot be used"):
        authority.issue(settings, NAME, now=NOW)
