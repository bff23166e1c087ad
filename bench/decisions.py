"""How fast policy decides, and whether it grows: MAIL and RCPT of one transaction, by the functions of the live path.

.venv/bin/python bench/decisions.py [decisions] [connectors] [domains]

Kinds of sessions take turns, each time with another address, name, account, sender and recipient. Certificates are real
and verified; what was found of each is remembered, as it is while a relay runs.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import BodyType, Recipient
from staffetta.policy import relay
from staffetta.policy.connector import attribute
from staffetta.policy.decision import PeerCertificate, SessionFacts, TlsFacts
from staffetta.settings.model import Route, Settings
from staffetta.settings.objects import AcceptedDomain, Account, ConnectorType, InboundConnector, TrustedAuthority
from staffetta.smtp.events import Mail, Rcpt

CERTIFICATES = 20  # different ones among the clients
VARIETY = 1000  # transactions made ready of each kind, taken in turn
AT = time.time()

Transaction = tuple[SessionFacts, Mail, Rcpt]


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]]
    decisions, connectors, domains = (*numbers, *(1_000_000, 1_000, 5_000)[len(numbers) :])
    with tempfile.TemporaryDirectory() as folder:
        small, large = (World(Path(folder), count, domains) for count in (10, connectors))
        print(f"{'µs of CPU, with this many connectors':<38}{10:>10,}{connectors:>10,}{'ratio':>8}")
        for kind in World.KINDS:
            few, many = (
                min(timed(world.kind(kind), decisions // 50, world) for _ in range(3)) for world in (small, large)
            )
            print(f"{kind:<38}{few * 1e6:>10.2f}{many * 1e6:>10.2f}{many / few:>8.2f}")
        mixed = [transaction for kind in World.KINDS for transaction in large.kind(kind)]
        random.Random(1).shuffle(mixed)
        each = timed(mixed, decisions, large)
    print(
        f"{decisions:,} decisions with {connectors:,} connectors and {domains:,} domains, all kinds alike: "
        f"{1 / each:,.0f} per second of CPU, {each * 1e6:.2f} µs each"
    )


def timed(transactions: Sequence[Transaction], decisions: int, world: "World") -> float:
    """Seconds of CPU per decision: other programs on the machine count less."""
    settings = world.settings
    for transaction in transactions:  # what is read and verified once is not counted
        decide(transaction, settings)
    rounds = max(1, decisions // len(transactions))
    start = time.process_time()
    for _ in range(rounds):
        for transaction in transactions:
            decide(transaction, settings)
    return (time.process_time() - start) / (rounds * len(transactions))


def decide(transaction: Transaction, settings: Settings) -> None:
    """As reception/transaction.py does."""
    facts, mail, rcpt = transaction
    attribution = attribute(facts, mail.reverse_path, settings, AT)
    if relay.sender(facts, attribution, mail, settings).is_accepted:
        relay.recipient(facts, attribution, mail.reverse_path, rcpt, settings)


class World:
    """An organisation: connectors by address, network, certificate and account alike, and one Partner in ten."""

    KINDS = ("relayed by address", "relayed by network", "relayed by certificate", "relayed by account",
             "Direct Send", "from a partner", "relay refused")  # fmt: skip

    def __init__(self, folder: Path, connectors: int, domains: int) -> None:
        self.random = random.Random(connectors)
        self.domains = [f"d{number}.example" for number in range(domains)]
        self.hosts, self.networks, self.names, self.accounts, self.partners = [], [], [], [], []
        made = [self._connector(number) for number in range(connectors)]
        root, root_key = authority()
        trusted = folder / f"{connectors}.pem"
        trusted.write_bytes(root.public_bytes(Encoding.PEM))
        self.certificates = [
            certificate(self.random.choice(self.names), root, root_key) for _ in range(min(CERTIFICATES, connectors))
        ]
        self.settings = Settings(
            hostname="relay.example",
            data_dir=folder,
            accepted_domains=tuple(AcceptedDomain(name=name, route="out") for name in self.domains),
            inbound_connectors=tuple(made),
            accounts=tuple(Account(user_name=name) for name in self.accounts),
            trusted_authorities=(TrustedAuthority(name="ours", certificates=trusted),),
            routes=(Route(name="out"),),
            default_route="out",
        )

    def _connector(self, number: int) -> InboundConnector:
        name, high, low = f"Connector {number}", number >> 8, number & 255
        if number % 10 == 9:
            self.partners.append((f"p{number}.example", f"172.16.{high}.{low}"))
            domain, address = self.partners[-1]
            return InboundConnector(
                name=name,
                connector_type=ConnectorType.PARTNER,
                sender_domains=(f"*.{domain}",),
                sender_ip_addresses=(address,),
                restrict_domains_to_ip_addresses=True,
            )
        if number % 4 == 0:
            self.hosts.append(f"10.0.{high}.{low}")
            return InboundConnector(name=name, sender_ip_addresses=(self.hosts[-1],))
        if number % 4 == 1:
            self.networks.append(f"10.{number // 200 + 1}.{number % 200}.7")
            return InboundConnector(name=name, sender_ip_addresses=(self.networks[-1].removesuffix("7") + "0/24",))
        if number % 4 == 2:
            self.names.append(f"mail.{self.domains[number]}")
            wanted = (f"*.{self.domains[number]}",)
            return InboundConnector(
                name=name, tls_sender_certificate_name=wanted, trusted_authority="ours", require_tls=True
            )
        self.accounts.append(f"device{number}@{self.domains[0]}")
        return InboundConnector(name=name, sender_accounts=(self.accounts[-1],))

    def kind(self, kind: str) -> list[Transaction]:
        """Transactions of a kind."""
        choose, ours, plain = self.random.choice, lambda: f"ada@{self.random.choice(self.domains)}", None
        outside: Callable[[], str] = lambda: f"eve@o{self.random.randrange(VARIETY)}.example"  # noqa: E731
        tls = TlsFacts("TLSv1.3", "x")
        stranger: Callable[[], str] = lambda: f"198.51.100.{self.random.randrange(256)}"  # noqa: E731
        made = {
            "relayed by address": lambda: transaction(choose(self.hosts), plain, None, ours(), outside()),
            "relayed by network": lambda: transaction(choose(self.networks), plain, None, ours(), outside()),
            "relayed by certificate": lambda: transaction(
                stranger(), TlsFacts("TLSv1.3", "x", choose(self.certificates)), None, ours(), outside()
            ),
            "relayed by account": lambda: transaction(stranger(), tls, choose(self.accounts), ours(), outside()),
            "Direct Send": lambda: transaction(stranger(), plain, None, outside(), ours()),
            "from a partner": lambda: partner(choose(self.partners), ours()),
            "relay refused": lambda: transaction(stranger(), plain, None, ours(), outside()),
        }[kind]
        return [made() for _ in range(VARIETY)]


def partner(named: tuple[str, str], to: str) -> Transaction:
    domain, address = named
    return transaction(address, None, None, f"x@{domain}", to)


def transaction(peer: str, tls: TlsFacts | None, account: str | None, sender: str, to: str) -> Transaction:
    facts = SessionFacts("0", "relay", ip_address(peer), "client.example", tls, account)
    mail = Mail(parse_mailbox(sender), None, BodyType.SEVEN_BIT, smtputf8=False, ret=None, envelope_id=None)
    return facts, mail, Rcpt(Recipient(parse_mailbox(to)))


def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed("Benchmark", key, "Benchmark", key, is_authority=True), key


def certificate(name: str, root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey) -> PeerCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    made = _signed(name, key, "Benchmark", root_key, is_authority=False)
    return PeerCertificate(made.public_bytes(Encoding.DER))


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.fromtimestamp(AT, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


if __name__ == "__main__":
    main()
