"""The keeper takes up where the last process stood."""

from pathlib import Path

import pytest

from staffetta.enrolling.keeper import CertificateKeeper, begin_with_own
from staffetta.settings.acme import Acme, acme_certificate
from staffetta.settings.acme_state import AcmeState, write_acme_state
from staffetta.settings.model import Settings

NOW = 1_000_000.0


def made(folder: Path) -> Settings:
    settings = Settings(hostname="relay.test", data_dir=folder, acme=Acme(terms_agreed=True))
    begin_with_own(settings)
    return settings


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (None, 0),
        (AcmeState(NOW - 10, NOW + 9_000_000), 0),
        (AcmeState(NOW - 10, NOW + 290, 1, "no"), 290),
        (AcmeState(NOW - 10, NOW + 40_000, 6, "no"), 890),
        (AcmeState(NOW - 1000, NOW + 40_000, 6, "no"), 0),
    ],
)
def test_a_start_shortly_after_a_failure_waits_and_any_other_does_not(
    tmp_path: Path, state: AcmeState | None, seconds: float
) -> None:
    settings = made(tmp_path)
    if state is not None:
        write_acme_state(tmp_path, state)
    keeper = CertificateKeeper(lambda: settings, now=lambda: NOW)
    assert keeper.rest_after_start(settings) == seconds


def test_what_is_there_stays_until_another_is_issued(tmp_path: Path) -> None:
    settings = made(tmp_path)
    before = acme_certificate(tmp_path).read_bytes()
    begin_with_own(settings)
    assert acme_certificate(tmp_path).read_bytes() == before
    assert acme_certificate(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "acme").stat().st_mode & 0o777 == 0o700
