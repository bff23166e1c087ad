"""Who is let in by certificate: certificates of every making, real clients, TLS 1.2 and 1.3, against one relay.

The handshake always completes; who is not let in hears 5.7.64 for the recipient outside, and the evidence says why.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from staffetta.operations import authority as own
from staffetta.operations.ledger import Folder
from staffetta.operations.trace import RefusalQuery, TraceQuery, find_messages, find_refusals
from staffetta.settings.file import load
from tests.certificates import CLIENT, CODE_SIGNING, NOW, SERVER, Made, authority, make, pem, revocation_list
from tests.live import certified, clients, postfix
from tests.live.certified import OFFERS, TLS_VERSIONS
from tests.live.conftest import need
from tests.live.mail import LINE, Mail, message
from tests.live.relay import PATIENCE_SECONDS, Relay, open_folder
from tests.live.sink import Sink

pytestmark = pytest.mark.live

CONNECTORS = """
[[inbound_connectors]]
name = "Branch"
require_tls = true
tls_sender_certificate_name = "*.branch.test"
trusted_authority = "Contoso"

[[inbound_connectors]]
name = "Exact"
require_tls = true
tls_sender_certificate_name = "mail.exact.test"
trusted_authority = "Contoso"

[[inbound_connectors]]
name = "World"
require_tls = true
tls_sender_certificate_name = "mail.world.test"

[[inbound_connectors]]
name = "Gateway of Fabrikam"
connector_type = "Partner"
sender_domains = ["fabrikam.test"]
require_tls = true
restrict_domains_to_certificate = true
tls_sender_certificate_name = "gateway.fabrikam.test"
trusted_authority = "Contoso"

[[inbound_connectors]]
name = "Printers"
require_tls = true
tls_sender_certificate_name = "printer.own.test"
trusted_authority = "own"

[[inbound_connectors]]
name = "Pinned"
require_tls = true
tls_sender_certificate_fingerprints = ["{pinned}", "{expired_pin}"]
"""
TRUST = """
[[trusted_authorities]]
name = "Contoso"
certificates = "contoso.pem"
revocation_lists = "contoso-revoked.pem"
"""

NOT_TAKEN = "its certificate is not taken: "
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Trust:
    """The authority that the settings name, and certificates that its settings must know beforehand.

    public: what the machine trusts, as far as this relay knows.
    """

    public: Made = field(default_factory=lambda: authority("Public Root"))
    root: Made = field(default_factory=lambda: authority("Contoso Root"))
    intermediate: Made = field(init=False)
    revoked: Made = field(init=False)
    pinned: Made = field(default_factory=lambda: make("pinned.test"))
    expired_pin: Made = field(default_factory=lambda: make("pinned.test", days=(-60, -1)))

    def __post_init__(self) -> None:
        object.__setattr__(self, "intermediate", authority("Contoso Issuing", self.root, path_length=0))
        object.__setattr__(self, "revoked", make("mail.branch.test", issuer=self.root))


@dataclass(frozen=True)
class Case:
    """made: the certificate, or None for a client without one. connector: who lets it in; None: nobody.

    wrong: the evidence against the connector that was meant, `near`.
    """

    made: Callable[[Trust], Made | None]
    connector: str | None = None
    near: str = "Branch"
    wrong: str = ""


def branch(*names: str, **how: object) -> Callable[[Trust], Made]:
    """A certificate of the named authority's root."""
    return lambda trust: make(*(names or ("mail.branch.test",)), issuer=trust.root, **how)  # type: ignore[arg-type]


CASES = {
    "valid": Case(branch(), "Branch"),
    "valid by intermediate": Case(
        lambda trust: make("mail.branch.test", issuer=trust.intermediate).sending(trust.intermediate), "Branch"
    ),
    "with the root sent too": Case(
        lambda trust: make("mail.branch.test", issuer=trust.intermediate).sending(trust.intermediate, trust.root),
        "Branch",
    ),
    "clientAuth only": Case(branch(usages=[CLIENT]), "Branch"),
    "serverAuth only": Case(branch(usages=[SERVER]), "Branch"),
    "no extended key usage": Case(branch(usages=[]), "Branch"),
    "wildcard": Case(branch("*.branch.test"), "Branch"),
    "wildcard covers the exact name": Case(branch("*.exact.test"), "Exact"),
    "second of its names": Case(branch("other.test", "mail.branch.test"), "Branch"),
    "name in upper case": Case(branch("MAIL.Branch.TEST"), "Branch"),
    "common name where no other is": Case(branch(common_name="mail.branch.test", alternatives=[]), "Branch"),
    "public, for servers": Case(lambda trust: make("mail.world.test", issuer=trust.public, usages=[SERVER]), "World"),
    "pinned self-signed": Case(lambda trust: trust.pinned, "Pinned"),
    "none": Case(
        lambda _: None, wrong="it needs a certificate *.branch.test, and the client came without a client certificate"
    ),
    "self-signed": Case(
        lambda _: make("mail.branch.test"), wrong=NOT_TAKEN + "it is self-signed, and not one of authority 'Contoso'"
    ),
    "expired": Case(branch(days=(-60, -1)), wrong=NOT_TAKEN + f"it expired on {NOW - DAY:%Y-%m-%d}"),
    "not yet valid": Case(branch(days=(2, 30)), wrong=NOT_TAKEN + f"it is not valid before {NOW + 2 * DAY:%Y-%m-%d}"),
    "wrong name": Case(
        branch("mail.elsewhere.test"),
        wrong="it needs a certificate *.branch.test; the presented one's names are mail.elsewhere.test",
    ),
    "below the exact name": Case(
        branch("a.mail.exact.test"),
        near="Exact",
        wrong="it needs a certificate mail.exact.test; the presented one's names are a.mail.exact.test",
    ),
    "wildcard above the connector's": Case(
        branch("*.test"),
        wrong="it needs a certificate *.branch.test; the presented one's names are none that can be compared",
    ),
    "common name beside others": Case(
        branch("x.elsewhere.test", common_name="mail.branch.test"),
        wrong="it needs a certificate *.branch.test; the presented one's names are x.elsewhere.test",
    ),
    "missing intermediate": Case(
        lambda trust: make("mail.branch.test", issuer=trust.intermediate),
        wrong=NOT_TAKEN + "its issuer CN=Contoso Issuing was not sent, and is not known to authority 'Contoso'",
    ),
    "of a namesake": Case(
        lambda _: make("mail.branch.test", issuer=authority("Contoso Root")),
        wrong=NOT_TAKEN + "its issuer CN=Contoso Root was not sent, and is not known to authority 'Contoso'",
    ),
    "private where public is asked for": Case(
        branch("mail.world.test"),
        near="World",
        wrong=NOT_TAKEN + "its issuer CN=Contoso Root was not sent, and is not known to authority 'public'",
    ),
    "public where private is asked for": Case(
        lambda trust: make("mail.branch.test", issuer=trust.public),
        wrong=NOT_TAKEN + "its issuer CN=Public Root was not sent, and is not known to authority 'Contoso'",
    ),
    "code signing": Case(
        branch(usages=[CODE_SIGNING]),
        wrong=NOT_TAKEN + "its extended key usage is codeSigning, and must be clientAuth or serverAuth",
    ),
    "revoked": Case(lambda trust: trust.revoked, wrong=NOT_TAKEN + "it is revoked"),
    "pinned and expired": Case(
        lambda trust: trust.expired_pin, near="Pinned", wrong=NOT_TAKEN + f"it expired on {NOW - DAY:%Y-%m-%d}"
    ),
}


@dataclass
class Scene:
    """A running relay, who it trusts, and where the clients' files go."""

    relay: Relay
    trust: Trust
    folder: Path
    count: int = 0

    def mail(self) -> Mail:
        self.count += 1
        message_id = f"certificates-{self.count}@contoso.test"
        return Mail(message_id, message(message_id, LINE))

    def files(self, made: Made | None) -> Path | None:
        return made.write(self.folder / f"client-{self.count}") if made else None

    def connector_of(self, mail: Mail) -> str | None:
        (row,) = find_messages(load(self.relay.config), TraceQuery(message_id=mail.message_id)).rows
        return row.connector

    def evidence(self, refusal: str) -> dict[str, object]:
        """Wait for what is kept about the refusal whose id these words of the server hold: it is written behind it."""
        session_id = refusal.partition("]")[0].split()[-1]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (rows := find_refusals(load(self.relay.config), RefusalQuery(session_id=session_id)).rows):
            assert time.monotonic() < deadline, self.relay.log
            time.sleep(0.02)
        return next(dict(row.evidence) for row in rows if row.recipient)  # openssl goes on to DATA, and hears 503


@pytest.fixture(scope="module")
def scene(sink: Sink) -> Iterator[Scene]:
    folder = open_folder()
    trust = Trust()
    (folder / "public.pem").write_bytes(pem(trust.public.certificate))
    (folder / "contoso.pem").write_bytes(pem(trust.root.certificate))
    lists = revocation_list(trust.root, trust.revoked) + revocation_list(trust.intermediate)
    (folder / "contoso-revoked.pem").write_bytes(lists)
    pins = {"pinned": trust.pinned.fingerprint, "expired_pin": trust.expired_pin.fingerprint}
    relay = Relay(folder, sink.port, connectors=CONNECTORS.format(**pins), more=TRUST)
    own.init(load(relay.config), now=datetime.now(UTC))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(folder / "public.pem"))
        relay.start()
    yield Scene(relay, trust, folder)
    relay.kill()
    shutil.rmtree(folder, ignore_errors=True)


def missing(client: str) -> str | None:
    if client == "postfix":
        return postfix.missing()
    if client == "openssl":
        return None if shutil.which("openssl") else "openssl is not installed"
    if client == "swaks" and subprocess.run(["perl", "-MNet::SSLeay", "-e", "1"], capture_output=True).returncode:
        return "swaks needs the Perl module Net::SSLeay for TLS"
    return clients.missing(client)


@pytest.mark.parametrize("version", TLS_VERSIONS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("client", ["smtplib", "openssl"])
def test_each_certificate_gets_what_it_deserves(client: str, name: str, version: str, scene: Scene) -> None:
    need(missing(client))
    case = CASES[name]
    mail, made = scene.mail(), case.made(scene.trust)
    refusal = OFFERS[client](mail, scene.files(made), scene.relay.port, version)
    if case.connector is not None:
        assert refusal is None
        assert scene.connector_of(mail) == case.connector
    else:
        assert refusal is not None
        assert refusal.startswith("550 5.7.64 TenantAttribution; Relay Access Denied [")
        assert scene.evidence(refusal)[f"connector {case.near}"] == case.wrong


@pytest.mark.parametrize("version", TLS_VERSIONS)
@pytest.mark.parametrize(
    ("client", "name"),
    [
        (client, name)
        for client in ("swaks", "curl", "nodemailer", "postfix")
        for name in ("valid", "valid by intermediate", "self-signed", "expired")
        if (client, name) != ("swaks", "valid by intermediate")  # it sends one certificate, whatever the file holds
    ],
)
def test_real_clients_are_told_apart_by_their_certificates(client: str, name: str, version: str, scene: Scene) -> None:
    need(missing(client))
    case = CASES[name]
    mail = scene.mail()
    refusal = OFFERS[client](mail, scene.files(case.made(scene.trust)), scene.relay.port, version)
    assert ("5.7.64" in refusal if refusal else None) == (None if case.connector else True)
    if case.connector:
        assert scene.connector_of(mail) == case.connector


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_pfx_of_our_own_authority_lets_a_client_in(is_legacy: bool, scene: Scene) -> None:
    need(missing("nodemailer"))
    settings = load(scene.relay.config)
    own.issue(settings, "printer.own.test", now=datetime.now(UTC), force=True)
    mail, folder = scene.mail(), scene.folder / f"own-{is_legacy}"
    folder.mkdir()
    pfx = own.export_pfx(settings, "printer.own.test", certified.PFX_PASSWORD, is_legacy=is_legacy)
    (folder / "client.pfx").write_bytes(pfx)
    assert certified.offer_by_nodemailer(mail, folder, scene.relay.port, "1.3") is None
    assert scene.connector_of(mail) == "Printers"


def test_a_certificate_of_our_own_authority_is_refused_within_seconds_once_it_is_revoked(scene: Scene) -> None:
    settings = load(scene.relay.config)
    own.issue(settings, "printer.own.test", now=datetime.now(UTC), force=True)
    folder = scene.folder / "own-revoked"
    folder.mkdir()
    files = Folder.of(settings)
    shutil.copy(files.issued("printer.own.test"), folder / "certificate.pem")
    shutil.copy(files.issued_key("printer.own.test"), folder / "key.pem")
    assert certified.offer_by_smtplib(scene.mail(), folder, scene.relay.port, "1.3") is None
    own.revoke(settings, "printer.own.test", now=datetime.now(UTC))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (refusal := certified.offer_by_smtplib(scene.mail(), folder, scene.relay.port, "1.3")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert scene.evidence(refusal)["connector Printers"] == NOT_TAKEN + "it is revoked"


@pytest.mark.parametrize(
    ("made", "is_accepted"),
    [
        (branch("gateway.fabrikam.test"), True),
        (branch("mail.elsewhere.test"), False),
        (lambda _: make("gateway.fabrikam.test"), False),
        (lambda _: None, False),
    ],
    ids=["the partner's", "another's", "self-signed", "none"],
)
def test_a_partner_is_held_to_its_certificate(
    made: Callable[[Trust], Made | None], is_accepted: bool, scene: Scene
) -> None:
    mail = replace(scene.mail(), sender="eve@fabrikam.test", recipients=("bob@contoso.test",))
    refusal = certified.offer_by_smtplib(mail, scene.files(made(scene.trust)), scene.relay.port, "1.3")
    assert (refusal or "").startswith("" if is_accepted else "550 5.7.51 TenantInboundAttribution; ")
    assert (refusal is None) == is_accepted


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_a_certificate_is_asked_for_where_a_connector_needs_one(version: str, scene: Scene) -> None:
    need(missing("openssl"))
    assert certified.is_certificate_requested(scene.relay.port, version)


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_no_certificate_is_asked_for_where_no_connector_needs_one(version: str, running: Relay) -> None:
    need(missing("openssl"))
    assert not certified.is_certificate_requested(running.port, version)
