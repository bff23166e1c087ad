"""Certificates by ACME, from Pebble: proved both ways, kept, renewed, served without a restart; and what fails."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from staffetta.enrolling.keeper import CertificateKeeper, begin_with_own
from staffetta.enrolling.schedule import due_at
from staffetta.settings.acme import Acme, Challenge, acme_certificate, acme_folder
from staffetta.settings.acme_state import read_acme_state
from staffetta.settings.model import Settings
from tests.live.acme_authority import AcmeAuthority, missing
from tests.live.conftest import need
from tests.live.relay import PATIENCE_SECONDS, Relay
from tests.live.sink import Sink
from tests.ports import free_port

pytestmark = pytest.mark.live

NAMES = ("relay.acme.test", "mail.acme.test")


@pytest.fixture(scope="module")
def authority() -> Iterator[AcmeAuthority]:
    need(missing())
    with AcmeAuthority() as running:
        yield running


def settings(
    folder: Path, authority: AcmeAuthority, challenge: Challenge = Challenge.HTTP_01, **more: object
) -> Settings:
    port = authority.http_port if challenge is Challenge.HTTP_01 else authority.tls_port
    acme = {
        "directory": authority.directory,
        "terms_agreed": True,
        "contact": "postmaster@acme.test",
        "names": NAMES,
        "challenge": challenge,
        "addresses": f"127.0.0.1:{port}",
        "authority_certificates": authority.certificates,
    }
    made = Settings(hostname="relay.acme.test", data_dir=folder, acme=Acme.model_validate({**acme, **more}))
    begin_with_own(made)
    return made


def look(made: Settings) -> float:
    assert made.acme is not None
    return asyncio.run(CertificateKeeper(lambda: made, draw=lambda: 1.0).look(made.acme))


@pytest.mark.parametrize("challenge", Challenge)
def test_a_certificate_is_proved_issued_and_kept(
    tmp_path: Path, authority: AcmeAuthority, challenge: Challenge
) -> None:
    made = settings(tmp_path, authority, challenge)
    path = acme_certificate(tmp_path)
    assert due_at(path.read_bytes(), NAMES) == 0.0
    assert look(made) > 0
    leaf, *chain = x509.load_pem_x509_certificates(path.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == set(NAMES)
    assert len(chain) >= 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert (acme_folder(tmp_path) / "account.pem").stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)  # the key is the certificate's, and in the same file
    due = leaf.not_valid_before_utc + (leaf.not_valid_after_utc - leaf.not_valid_before_utc) * 2 / 3
    state = read_acme_state(tmp_path)
    assert state is not None and (state.failures, state.failure) == (0, "")
    assert state.next_at == pytest.approx(due.timestamp())
    with pytest.raises(ConnectionRefusedError):  # nobody listens where the authority asked
        socket.create_connection(("127.0.0.1", authority.http_port))


def test_what_is_good_is_not_ordered_again_and_another_name_is_with_the_same_account(
    tmp_path: Path, authority: AcmeAuthority
) -> None:
    made = settings(tmp_path, authority)
    look(made)
    first, account = acme_certificate(tmp_path).read_bytes(), (acme_folder(tmp_path) / "account.pem").read_bytes()
    look(made)
    assert acme_certificate(tmp_path).read_bytes() == first
    acme_certificate(tmp_path).write_text("not a certificate")
    look(made)
    assert "BEGIN CERTIFICATE" in acme_certificate(tmp_path).read_text()
    look(settings(tmp_path, authority, names=("other.acme.test",)))
    assert acme_certificate(tmp_path).read_bytes() != first
    assert (acme_folder(tmp_path) / "account.pem").read_bytes() == account


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"addresses": "127.0.0.1:{other}"}, "relay.acme.test: "),
        ({"directory": "https://127.0.0.1:1/dir"}, "the authority cannot be asked"),
        ({"authority_certificates": None}, "the authority cannot be asked"),
        ({"names": ("acme.test", "under_score.acme.test")}, "the authority refuses"),
    ],
)
def test_what_fails_is_told_and_tried_again_later(
    tmp_path: Path, authority: AcmeAuthority, more: dict[str, object], words: str
) -> None:
    filled = {key: value.format(other=free_port()) if isinstance(value, str) else value for key, value in more.items()}
    made = settings(tmp_path, authority, **filled)
    before = acme_certificate(tmp_path).read_bytes()
    assert look(made) == 300.0
    state = read_acme_state(tmp_path)
    assert state is not None and state.failures == 1
    assert words in state.failure
    assert acme_certificate(tmp_path).read_bytes() == before


def test_a_port_that_somebody_has_is_told(tmp_path: Path, authority: AcmeAuthority) -> None:
    with socket.create_server(("127.0.0.1", authority.http_port)):
        look(settings(tmp_path, authority))
    state = read_acme_state(tmp_path)
    assert state is not None
    assert state.failure.startswith(f"127.0.0.1:{authority.http_port} cannot be listened on: ")


def test_an_account_that_is_bound_to_one_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(missing())
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    monkeypatch.setenv("ACME_HMAC", key)
    with AcmeAuthority(external_account=("kid-1", key)) as authority:
        look(settings(tmp_path, authority))
        refused = read_acme_state(tmp_path)
        assert refused is not None and "write external_account_id" in refused.failure
        look(settings(tmp_path, authority, external_account_id="kid-1", external_account_key="${ACME_HMAC}"))
        state = read_acme_state(tmp_path)
        assert state is not None and state.failures == 0, state


def test_a_relay_starts_with_its_own_certificate_and_serves_the_issued_one_without_a_restart(
    folder: Path, sink: Sink, authority: AcmeAuthority
) -> None:
    port = free_port()
    more = f"""
[[listeners]]
name = "submissions"
kind = "submission"
implicit_tls = true
address = "127.0.0.1:{port}"

[acme]
directory = "{authority.directory}"
terms_agreed = true
names = ["relay.acme.test"]
addresses = ["127.0.0.1:{authority.http_port}"]
authority_certificates = "{authority.certificates}"
"""
    with Relay(folder, sink.port, more=more) as relay:
        limit = time.monotonic() + 3 * PATIENCE_SECONDS
        while "Pebble" not in issuer(port):
            assert relay.process is not None and relay.process.poll() is None, relay.log
            assert time.monotonic() < limit, relay.log
            time.sleep(0.1)


def issuer(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="relay.acme.test") as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()
