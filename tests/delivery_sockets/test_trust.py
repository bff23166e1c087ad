"""Certificates on the road out: whom a route trusts, by which name, and what we show of ourselves."""

import asyncio
import contextlib
import socket
import ssl
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from staffetta.mail.outcome import Deferred, Delivered, Stage
from staffetta.settings.objects import TrustedAuthority
from staffetta.settings.roads import TlsLevel, TlsVersion
from tests.certificates import CLIENT, NOW, PFX_PASSWORD, SERVER, Made, authority, make, pem
from tests.delivery_sockets.carrying import Sender, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop

ROOT = authority("Root")
BRANCH = authority("Branch", ROOT)
STRANGER = authority("Stranger")
NAMED = make("mail.contoso.test", issuer=ROOT, usages=(SERVER,))


def server_context(made: Made, folder: Path, *, clients: Made | None = None) -> ssl.SSLContext:
    """clients: the authority of which a client must have a certificate."""
    files = made.write(folder / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "certificate.pem", files / "key.pem")
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=pem(clients.certificate).decode())
    return context


def hop_with(context: ssl.SSLContext, **how: object) -> FakeHop:
    return FakeHop(capabilities=(*ALL_CAPABILITIES, "STARTTLS"), tls=context, **how)  # type: ignore[arg-type]


def send(hop: FakeHop, folder: Path, **keys: object):
    """One attempt of a route that wants a certificate of ROOT, unless the keys say otherwise."""
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    trusted = TrustedAuthority(name="contoso", certificates=folder / "root.pem")
    keys = {"tls": TlsLevel.VERIFIED, "trusted_authority": "contoso", "tls_names": ("mail.contoso.test",)} | keys

    async def main():
        async with hop.listening():
            settings = settings_for(hop, others={"trusted_authorities": (trusted,)}, **keys)
            return (await Sender(settings).send_and_close())[0]

    return run(main())


GOOD = {
    "the name": (NAMED, {}),
    "a wildcard for one label": (make("*.contoso.test", issuer=ROOT, usages=(SERVER,)), {}),
    "any host of a domain": (NAMED, {"tls_names": ("*.contoso.test",)}),
    "an intermediate that is sent": (make("mail.contoso.test", issuer=BRANCH, usages=(SERVER,)).sending(BRANCH), {}),
    "no extended key usage": (make("mail.contoso.test", issuer=ROOT, usages=()), {}),
    "the host's address": (
        make(issuer=ROOT, alternatives=[x509.IPAddress(ip_address("127.0.0.1"))], usages=(SERVER,)),
        {"tls_names": ()},
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_certificate_is_good_by(case, tmp_path):
    made, keys = GOOD[case]
    outcome = send(hop_with(server_context(made, tmp_path)), tmp_path, **keys)
    assert isinstance(outcome, Delivered), outcome
    assert outcome.judgement is not None and outcome.judgement.is_verified
    assert (outcome.judgement.policy, outcome.judgement.fingerprint) == ("route: verified", made.fingerprint)


EXPIRED = make("mail.contoso.test", issuer=ROOT, usages=(SERVER,), days=(-30, -2))
BAD = {
    "another name": (
        make("a.test", "b.test", issuer=ROOT, usages=(SERVER,)),
        {},
        "the certificate names a.test, b.test; the route wants mail.contoso.test",
    ),
    "a wildcard for two labels": (
        make("*.test", "*.example.test", issuer=ROOT, usages=(SERVER,)),
        {"tls_names": ("a.b.example.test",)},
        "the certificate names *.example.test; the route wants a.b.example.test",
    ),
    "expired": (EXPIRED, {}, f"it expired on {NOW - timedelta(days=2):%Y-%m-%d}"),
    "another authority": (
        make("mail.contoso.test", issuer=STRANGER, usages=(SERVER,)),
        {},
        "its issuer CN=Stranger was not sent, and is not known to authority 'contoso'",
    ),
    "an intermediate that is not sent": (
        make("mail.contoso.test", issuer=BRANCH, usages=(SERVER,)),
        {},
        "its issuer CN=Branch was not sent, and is not known to authority 'contoso'",
    ),
    "self-signed": (
        make("mail.contoso.test", usages=(SERVER,)),
        {},
        "it is self-signed, and not one of authority 'contoso'",
    ),
    "for clients alone": (
        make("mail.contoso.test", issuer=ROOT, usages=(CLIENT,)),
        {},
        "its extended key usage is clientAuth, and must be serverAuth",
    ),
    "a pin that it is not": (
        make("mail.contoso.test", issuer=STRANGER, usages=(SERVER,)),
        {"tls_fingerprints": (NAMED.fingerprint,)},
        "and it is none of the pinned ones",
    ),
    "a pin, but expired": (
        EXPIRED,
        {"tls_fingerprints": (EXPIRED.fingerprint,)},
        "the pinned certificate: it expired on",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_certificate_is_not_good_by(case, tmp_path):
    made, keys, text = BAD[case]
    hop = hop_with(server_context(made, tmp_path))
    outcome = send(hop, tmp_path, **keys)
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage) == ("4.7.5", Stage.TLS)
    assert text in outcome.diagnostic
    assert outcome.judgement is not None and not outcome.judgement.is_verified
    assert outcome.judgement.fingerprint == made.fingerprint, "to be pinned, if it is the right one after all"
    assert hop.lines == ["EHLO relay.example", "STARTTLS"], "nothing is said to whom we do not trust"


def test_a_pinned_certificate_is_good_whoever_issued_it_and_whatever_it_names(tmp_path):
    made = make("elsewhere.test", usages=(SERVER,))
    pin = ":".join(made.fingerprint[i : i + 2].upper() for i in range(0, 64, 2))  # as openssl prints it
    outcome = send(hop_with(server_context(made, tmp_path)), tmp_path, tls_fingerprints=(pin,))
    assert isinstance(outcome, Delivered)


def test_the_level_below_takes_any_certificate_and_says_that_it_was_not_verified(tmp_path):
    outcome = send(hop_with(server_context(EXPIRED, tmp_path)), tmp_path, tls=TlsLevel.REQUIRED)
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert (outcome.judgement.policy, outcome.judgement.is_verified) == ("route: required", False)
    assert outcome.judgement.names == ("mail.contoso.test",)


def test_implicit_tls_is_verified_before_the_greeting_is_read(tmp_path):
    hop = hop_with(server_context(NAMED, tmp_path), is_tls_implicit=True)
    outcome = send(hop, tmp_path, implicit_tls=True)
    assert isinstance(outcome, Delivered) and outcome.tls is not None
    assert "STARTTLS" not in hop.lines


def test_implicit_tls_towards_a_port_that_greets_in_clear_says_so(tmp_path):
    outcome = send(FakeHop(), tmp_path, implicit_tls=True, tls=TlsLevel.OPPORTUNISTIC)
    assert isinstance(outcome, Deferred) and outcome.stage is Stage.TLS
    assert "implicit_tls is wrong" in outcome.diagnostic


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("minimum", TlsVersion)
def test_old_versions_are_spoken_where_the_route_names_them_and_nowhere_else(minimum, tmp_path):
    context = server_context(NAMED, tmp_path)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    if minimum is TlsVersion.TLS_1_0:
        outcome = send(hop_with(context), tmp_path, tls_minimum=minimum)
        assert isinstance(outcome, Delivered) and outcome.tls is not None and outcome.tls.startswith("TLSv1 ")
    else:
        outcome = send_strictly(context, tmp_path, tls_minimum=minimum)
        assert isinstance(outcome, Deferred)
        assert "no version of TLS that tls_minimum allows" in outcome.diagnostic


OURS = make("relay.example", issuer=BRANCH, usages=(CLIENT,)).sending(BRANCH)


def in_pem(folder: Path) -> dict[str, object]:
    return {"client_certificate": folder / "certificate.pem", "client_key": folder / "key.pem"}


def in_one_pem(folder: Path) -> dict[str, object]:
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return {"client_certificate": both}


def in_pfx(folder: Path) -> dict[str, object]:
    (folder / "password").write_text(PFX_PASSWORD + "\n")
    return {
        "client_certificate": folder / "client.pfx",
        "client_certificate_password": f"file:{folder / 'password'}",
    }


@pytest.mark.parametrize("form", [in_pem, in_one_pem, in_pfx])
def test_our_certificate_is_shown_with_its_chain_to_a_hop_that_knows_the_root_alone(form, tmp_path):
    hop = hop_with(server_context(NAMED, tmp_path, clients=ROOT))
    assert isinstance(send(hop, tmp_path, **form(OURS.write(tmp_path / "client"))), Delivered)


REFUSED = {
    "no certificate": (None, "the next hop wants a client certificate"),
    "another authority's": (make("relay.example", issuer=STRANGER), "the next hop refuses our client certificate"),
    "expired": (make("relay.example", issuer=ROOT, days=(-30, -2)), "the next hop refuses our client certificate"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_hop_that_does_not_take_our_certificate_defers_and_says_what_it_wanted(case, version, tmp_path):
    made, text = REFUSED[case]
    context = server_context(NAMED, tmp_path, clients=ROOT)
    context.minimum_version = context.maximum_version = version
    outcome = send_strictly(context, tmp_path, **(in_pem(made.write(tmp_path / "client")) if made else {}))
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage) == ("4.7.5", Stage.TLS)
    assert text in outcome.diagnostic


def send_strictly(context: ssl.SSLContext, folder: Path, **keys: object):
    """As send(), to implicit TLS of a server that tells by an alert what it does not like; asyncio's tells nothing."""
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    trusted = TrustedAuthority(name="contoso", certificates=folder / "root.pem")
    keys = {"implicit_tls": True, "trusted_authority": "contoso", "tls_names": ("mail.contoso.test",)} | keys

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted, contextlib.suppress(OSError):
            context.wrap_socket(accepted, server_side=True).sendall(b"220 hello\r\n")
            accepted.recv(1)

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            settings = settings_for(
                listener.getsockname()[1], tls=TlsLevel.VERIFIED, others={"trusted_authorities": (trusted,)}, **keys
            )
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            (outcome,) = await Sender(settings).send_and_close()
            await serving
            return outcome

    return run(main())


def test_a_certificate_that_was_renewed_is_shown_without_a_reload(tmp_path):
    (tmp_path / "root.pem").write_bytes(pem(ROOT.certificate))
    files = make("relay.example", issuer=STRANGER).write(tmp_path / "client")
    hop = hop_with(server_context(NAMED, tmp_path, clients=ROOT))

    async def main():
        async with hop.listening():
            sender = Sender(settings_for(hop, tls=TlsLevel.REQUIRED, **in_pem(files)))
            (before,) = await sender.send()
            (files / "certificate.pem").write_bytes(pem(OURS.certificate, *OURS.chain))
            (files / "key.pem").write_bytes(OURS.key_pem)
            hop.capabilities = (*ALL_CAPABILITIES, "STARTTLS")
            (after,) = await sender.send_and_close()
            return before, after

    before, after = run(main())
    assert isinstance(before, Deferred) and isinstance(after, Delivered)


UNUSABLE = {
    "missing": (lambda folder: {"client_certificate": folder / "none.pem"}, "No such file"),
    "wrong password": (
        lambda folder: in_pfx(folder) | {"client_certificate_password": f"file:{folder / 'key.pem'}"},
        "is client_certificate_password right?",
    ),
    "no password": (
        lambda folder: {"client_certificate": folder / "client.pfx"},
        "does it want client_certificate_password?",
    ),
    "no key": (lambda folder: {"client_certificate": folder / "certificate.pem"}, "no private key can be read"),
    "another key": (
        lambda folder: {
            "client_certificate": folder / "certificate.pem",
            "client_key": folder.parent / "server/key.pem",
        },
        "none of its certificates belongs to the private key",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_certificate_of_ours_that_cannot_be_used_is_told_without_a_connection(case, tmp_path):
    keys, text = UNUSABLE[case]
    hop = hop_with(server_context(NAMED, tmp_path, clients=ROOT))
    outcome = send(hop, tmp_path, **keys(OURS.write(tmp_path / "client")))
    assert isinstance(outcome, Deferred) and hop.connections == 0
    assert (outcome.status, outcome.stage) == ("4.3.5", Stage.TLS)
    assert text in outcome.diagnostic and "PRIVATE KEY" not in outcome.diagnostic
