"""A healthy set-up on disk, whose parts a test spoils before it is examined."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID
from pytest import MonkeyPatch

from staffetta.delivery.mtasts import BadPolicy, StsPolicy, read_policy
from staffetta.delivery.sts_fetching import PolicyUnavailable
from staffetta.doctor.examination import Means, Patient, Report, examine, gather, judged
from staffetta.doctor.facts import ClientFacts, ClockFacts, DiskFacts, Facts
from staffetta.doctor.finding import Finding, Severity
from staffetta.net.resolver import Resolver
from staffetta.settings.file import load
from staffetta.settings.model import Settings
from tests.certificates import NOW, SERVER, Made, authority, make, pem
from tests.dns_server import DnsServer

HASH = "$argon2id$v=19$m=19456,t=2,p=1$IsdRCQtbz9uqTq1/n7soGg$PGD8ZmJLykiGTbNaOmxb66Pt5mIiw7bROXyiTpENfA4"
HOSTNAME = "relay.contoso.test"
ENDPOINT = "contoso-test.mail.protection.outlook.com"
TOML = f"""
hostname = "{HOSTNAME}"
data_dir = "data"
default_route = "internet"

[[listeners]]
name = "relay"
address = "127.0.0.1:0"
certificate = "relay.pem"
private_key = "relay.key"

[[listeners]]
name = "submission"
kind = "submission"
address = "127.0.0.1:0"
certificate = "relay.pem"
private_key = "relay.key"

[[accounts]]
user_name = "scanner@contoso.test"
password_hashes = ["{HASH}"]

[[accepted_domains]]
name = "contoso.test"
route = "internet"

[[inbound_connectors]]
name = "Office"
sender_ip_addresses = ["10.1.0.0/16"]

[[routes]]
name = "internet"
transport = "mx"

[[routes]]
name = "tenant"
next_hops = [{{ host = "{ENDPOINT}" }}]
tls = "verified"
client_certificate = "client.pem"
client_key = "client.key"
"""


POLICY = "version: STSv1\nmode: enforce\nmx: *.mail.protection.outlook.com\nmax_age: 604800\n"


@dataclass
class Setup:
    """toml: of the settings. disk, clock, clients: what the machine tells; else what it has."""

    folder: Path
    root: Made
    intermediate: Made
    toml: str = TOML
    disk: dict[str, Any] = field(default_factory=dict)
    clock: ClockFacts = field(default_factory=lambda: ClockFacts(is_synchronized=True))
    clients: ClientFacts | None = None
    directory_trouble: str | None = None
    policy: str = POLICY
    dns: DnsServer = field(default_factory=DnsServer)

    def certificate(self, name: str, *names: str, **how: Any) -> None:
        """Write NAME.pem with its chain and NAME.key: as a public authority issues it, or otherwise."""
        made = make(
            *(names or (HOSTNAME,)), **{"issuer": self.intermediate, "usages": (SERVER,), "days": (-1, 60)} | how
        )
        chain = () if how.get("issuer", True) is None else (self.intermediate.certificate,)
        self.write(name, made, *chain)

    def write(self, name: str, made: Made, *chain: Any) -> None:
        (self.folder / f"{name}.pem").write_bytes(pem(made.certificate, *chain))
        self.secret(f"{name}.key", made.key_pem)

    def secret(self, name: str, octets: bytes, mode: int = 0o600) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        path.chmod(mode)

    def change(self, old: str, new: str) -> None:
        assert old in self.toml
        self.toml = self.toml.replace(old, new, 1)

    def add(self, toml: str) -> None:
        self.toml += toml

    @property
    def path(self) -> Path:
        return self.folder / "relay.toml"

    def settings(self) -> Settings:
        self.path.write_text(self.toml, encoding="utf-8")
        self.path.chmod(0o640)
        return load(self.path)

    def look_at_disk(self, data_dir: Path) -> DiskFacts:
        """A good one: that of the tests may be slow, full, or in memory."""
        whole: dict[str, Any] = {
            "folder": data_dir,
            "file_system": "ext4",
            "free_octets": 2**38,
            "total_octets": 2**39,
            "free_inodes": 10**6,
            "total_inodes": 2 * 10**6,
            "sync_ms": 1.0,
        }
        return DiskFacts(**whole | self.disk)

    @property
    def means(self) -> Means:
        return Means(
            self.look_at_disk,
            lambda: self.clock.is_synchronized,
            signed="signed.test",
            forged="forged.test",
            get_policy=self._get_policy,
        )

    async def _get_policy(self, domain: str, resolver: Resolver) -> StsPolicy:
        """What the domain's web server would say."""
        try:
            return read_policy(self.policy)
        except BadPolicy as error:
            raise PolicyUnavailable(str(error)) from None

    def patient(self) -> Patient:
        settings = self.settings()
        return Patient(settings, settings.data_dir / "spool", self.directory_trouble)

    def facts(self) -> Facts:
        facts = gather(self.patient(), NOW.timestamp(), self.means)
        return replace(facts, clock=self.clock, clients=self.clients or facts.clients)

    def report(self) -> Report:
        return judged(self.facts())

    def online_report(self) -> Report:
        """Examine with the network: a DNS server of the test's."""

        async def scene() -> Report:
            async with self.dns.listening():
                self.add(f'[dns]\nservers = ["{self.dns.address}"]\ntimeout_seconds = 5\n')
                return await examine(self.patient(), NOW.timestamp(), means=self.means)

        return asyncio.run(scene())


def healthy(folder: Path, monkeypatch: MonkeyPatch) -> Setup:
    """Make it. The public authorities of this machine are one of the test's own."""
    root = authority("Public Root")
    (folder / "public.pem").write_bytes(pem(root.certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "public.pem"))
    setup = Setup(folder, root, authority("Public Intermediate", root))
    (folder / "data").mkdir(mode=0o700)
    setup.certificate("relay")
    setup.certificate("client", usages=(ExtendedKeyUsageOID.CLIENT_AUTH, SERVER))
    return setup


def findings(report: Report) -> list[Finding]:
    return [finding for _, finding in report.findings]


def found(report: Report, severity: Severity) -> list[str]:
    """The codes of that severity."""
    return [finding.code for finding in findings(report) if finding.severity is severity]


Plant = Callable[[Setup], None]
