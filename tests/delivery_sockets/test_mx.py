"""Mail by MX: the exchangers that the DNS names, and TLS as the route, the domain and the message ask for it."""

import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

from staffetta.delivery.exchange import Exchange
from staffetta.delivery.hops import NextHops
from staffetta.delivery.oauth import AccessTokens
from staffetta.delivery.smtp_courier import SmtpCourier
from staffetta.delivery.sts_policies import StsPolicies
from staffetta.delivery.tls_tally import day_of, results
from staffetta.mail.consignment import Consignment
from staffetta.mail.outcome import Deferred, Delivered, Failed, Outcome, Stage
from staffetta.settings.model import Delivery, Dns, Settings, TlsReports
from staffetta.settings.objects import TrustedAuthority
from staffetta.settings.roads import Route, TlsLevel, Transport
from tests.certificates import make
from tests.delivery_sockets.carrying import consignment, run
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop
from tests.dns_server import DnsServer
from tests.fakes.web import Answer, Web
from tests.ports import free_port
from tests.unit.delivery.test_dane import LEAF, OTHER, record

AUTHORITY = trustme.CA()
DOMAIN, HOST, OTHER_HOST = "example.test", "mx.example.test", "mx2.example.test"
WITH_TLS = (*ALL_CAPABILITIES, "STARTTLS")
WITH_REQUIRETLS = (*WITH_TLS, "REQUIRETLS")


def server_context(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def context_of_leaf(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that no public authority knows."""
    LEAF.write(folder / "leaf")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf" / "certificate.pem", folder / "leaf" / "key.pem")
    return context


@dataclass
class World:
    """A domain, its DNS, its exchangers (which share a port, each on an address of loopback) and its MTA-STS server."""

    folder: Path
    hop: FakeHop = field(default_factory=FakeHop)
    zone: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: {(DOMAIN, "MX"): [f"10 {HOST}."], (HOST, "A"): ["127.0.0.1"]}
    )
    authenticated: set[str] = field(default_factory=set)
    broken: dict[str, int | None] = field(default_factory=dict)
    policy: str = ""
    route: dict[str, Any] = field(default_factory=dict)
    reports: TlsReports = field(default_factory=TlsReports)
    policy_status: int = 200
    policy_host: str = f"mta-sts.{DOMAIN}"

    def carry(self, *consignments: Consignment) -> list[Sequence[Outcome]]:
        pem = self.folder / "authority.pem"
        AUTHORITY.cert_pem.write_to_path(pem)
        return run(self._carry(consignments or (to(DOMAIN),), pem))

    async def _carry(self, consignments: Sequence[Consignment], pem: Path) -> list[Sequence[Outcome]]:
        trust = ssl.create_default_context(cafile=str(pem))

        async def handler(request: object) -> Answer:
            return Answer(self.policy_status, self.policy.encode(), {"Content-Type": "text/plain"})

        if self.policy:
            self.zone |= {
                (f"_mta-sts.{DOMAIN}", "TXT"): ['"v=STSv1; id=1;"'],
                (f"mta-sts.{DOMAIN}", "A"): ["127.0.0.1"],
            }
        web = Web(handler, server_context(self.policy_host))
        dns = DnsServer(self.zone, authenticated=self.authenticated, broken=self.broken)
        async with dns.listening(), web.listening(), self.hop.listening():
            route = Route(name="out", transport=Transport.MX, **({"allow_private_addresses": True} | self.route))
            settings = Settings(
                hostname="relay.example",
                data_dir=self.folder,
                routes=(route,),
                tls_reports=self.reports,
                dns=Dns(servers=(dns.address,), timeout_seconds=dns.patience_seconds),
                delivery=Delivery(connect_timeout_seconds=2, reply_timeout_seconds=5),
                trusted_authorities=(TrustedAuthority(name="ours", certificates=pem),),
            )
            exchange = Exchange(
                make_policies=lambda folder, resolver: StsPolicies(
                    folder,
                    resolver,
                    port=web.port,
                    make_client=lambda: httpx2.AsyncClient(verify=trust, trust_env=False, timeout=5),
                ),
                port=self.hop.port,
            )
            courier = SmtpCourier(AccessTokens(lambda: settings), NextHops(), exchange)
            outcomes = [await courier.carry(settings, route, each, _ignore) for each in consignments]
            await courier.close()
            courier.tally.flush(self.folder)
            return outcomes


async def _ignore(host: str) -> None:
    pass


def to(*domains: str, **how: Any) -> Consignment:
    return consignment(*(f"friend@{domain}" for domain in domains), **how)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    pem = tmp_path / "public.pem"
    AUTHORITY.cert_pem.write_to_path(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return World(tmp_path)


def test_mail_goes_to_the_exchanger_that_the_dns_names(world: World) -> None:
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Delivered)
    assert (outcome.host, outcome.address) == (HOST, "127.0.0.1")
    assert len(world.hop.messages) == 1


def test_recipients_of_one_domain_travel_together_and_others_apart(world: World) -> None:
    world.zone |= {("other.test", "MX"): [f"10 {HOST}."]}
    ((*outcomes,),) = world.carry(to(DOMAIN, "other.test", DOMAIN, "nowhere.example"))
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, Delivered, Failed]
    assert [len(message.recipients) for message in world.hop.messages] == [2, 1]
    assert world.hop.connections == 1  # one exchanger, one connection, whatever the domain


@pytest.mark.parametrize(
    ("zone", "broken", "kind", "status"),
    [
        ({}, {}, Failed, "5.1.2"),
        ({(DOMAIN, "MX"): ["0 ."]}, {}, Failed, "5.1.10"),
        ({}, {DOMAIN: 2}, Deferred, "4.4.3"),
        ({}, {DOMAIN: None}, Deferred, "4.4.3"),
    ],
)
def test_a_domain_without_exchangers_and_a_dns_without_answer(
    world: World, zone: dict[tuple[str, str], list[str]], broken: dict[str, int | None], kind: type, status: str
) -> None:
    world.zone, world.broken = zone, broken
    ((outcome,),) = world.carry()
    assert (type(outcome), outcome.status, outcome.stage) == (kind, status, Stage.ROUTE)


def test_a_stranger_leads_nobody_to_this_machine(world: World) -> None:
    world.route = {"allow_private_addresses": False}
    ((outcome,),) = world.carry()
    assert (type(outcome), outcome.status) == (Failed, "5.4.4")
    assert world.hop.connections == 0


def test_the_next_exchanger_is_tried_where_the_first_is_of_no_use(world: World) -> None:
    world.zone |= {(DOMAIN, "MX"): [f"10 {OTHER_HOST}.", f"20 {HOST}."], (OTHER_HOST, "A"): ["127.0.0.99"]}
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Delivered) and outcome.host == HOST


def policy(mode: str, *mx: str) -> str:
    return "\n".join(["version: STSv1", f"mode: {mode}", *(f"mx: {each}" for each in mx), "max_age: 86400", ""])


@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
@pytest.mark.parametrize(
    ("names", "mx", "status"),
    [
        ((HOST,), (HOST,), None),
        (("elsewhere.test",), (HOST,), "4.7.5"),
        ((HOST,), ("elsewhere.test",), "4.4.8"),
        (None, (HOST,), "4.7.4"),
    ],
)
def test_a_policy_of_mta_sts_counts_in_mode_enforce_alone(
    world: World, mode: str, names: tuple[str, ...] | None, mx: tuple[str, ...], status: str | None
) -> None:
    if names is not None:
        world.hop = FakeHop(capabilities=WITH_TLS, tls=server_context(*names))
    world.policy = policy(mode, *mx)
    ((outcome,),) = world.carry()
    if status is None or mode != "enforce":
        assert isinstance(outcome, Delivered)
    else:
        assert (type(outcome), outcome.status) == (Deferred, status)
        assert world.hop.messages == []
    if status is None and mode == "enforce":
        assert outcome.judgement is not None
        assert (outcome.judgement.policy, outcome.judgement.is_verified) == ("mta-sts: verified", True)


@pytest.fixture
def signed(world: World, unused_port: int) -> World:
    """A domain that DNSSEC vouches for, with an exchanger whose certificate no public authority knows."""
    world.hop = FakeHop(capabilities=WITH_TLS, tls=context_of_leaf(world.folder), port=unused_port)
    world.authenticated |= {DOMAIN, HOST, f"_{unused_port}._tcp.{HOST}"}
    return world


@pytest.fixture
def unused_port() -> int:
    return free_port()


def publish(world: World, *texts: str) -> None:
    world.zone[(f"_{world.hop.port}._tcp.{HOST}", "TLSA")] = list(texts)


def text_of(usage: int, made: Any = LEAF) -> str:
    tlsa = record(usage, 1, 1, made)
    return f"{tlsa.usage} {tlsa.selector} {tlsa.matching} {tlsa.data.hex()}"


def test_dane_verifies_what_no_public_authority_knows(signed: World) -> None:
    publish(signed, text_of(3))
    ((outcome,),) = signed.carry()
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert (outcome.judgement.policy, outcome.judgement.is_verified) == ("dane: verified", True)


def test_a_certificate_that_dane_does_not_name_gets_no_mail(signed: World) -> None:
    publish(signed, text_of(3, OTHER))
    ((outcome,),) = signed.carry()
    assert (type(outcome), outcome.status, outcome.stage) == (Deferred, "4.7.5", Stage.TLS)
    assert signed.hop.messages == []


def test_dane_is_not_for_clear_text(signed: World) -> None:
    signed.hop.capabilities = ALL_CAPABILITIES
    publish(signed, text_of(3))
    ((outcome,),) = signed.carry()
    assert (type(outcome), outcome.status) == (Deferred, "4.7.4")


def test_records_that_do_not_count_ask_for_tls_all_the_same(signed: World) -> None:
    publish(signed, text_of(1))
    ((outcome,),) = signed.carry()
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert (outcome.judgement.policy, outcome.judgement.is_verified) == ("dane: required", False)


@pytest.mark.parametrize("rcode", [2, None])
def test_who_stops_the_answer_about_tlsa_gains_no_clear_text(signed: World, rcode: int | None) -> None:
    signed.broken = {f"_{signed.hop.port}._tcp.{HOST}": rcode}
    ((outcome,),) = signed.carry()
    assert (type(outcome), outcome.status) == (Deferred, "4.4.3")
    assert signed.hop.connections == 0


@pytest.mark.parametrize("unsigned", [DOMAIN, HOST, "TLSA"])
def test_where_dnssec_does_not_vouch_for_everything_dane_does_not_count(signed: World, unsigned: str) -> None:
    publish(signed, text_of(3, OTHER))
    signed.authenticated.discard(f"_{signed.hop.port}._tcp.{HOST}" if unsigned == "TLSA" else unsigned)
    ((outcome,),) = signed.carry()
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert outcome.judgement.policy == "route: opportunistic"


@pytest.mark.parametrize("wrong", ["nothing is published", "nobody vouches", "records that do not count"])
def test_a_route_that_requires_dane_takes_nothing_less(signed: World, wrong: str) -> None:
    if wrong != "nothing is published":
        publish(signed, text_of(1 if wrong == "records that do not count" else 3))
    if wrong == "nobody vouches":
        signed.authenticated.clear()
    signed.route = {"dane_required": True}
    ((outcome,),) = signed.carry()
    assert (type(outcome), outcome.status, outcome.stage) == (Deferred, "4.7.5", Stage.TLS)
    assert "no TLSA records that can be honoured" in outcome.diagnostic
    assert signed.hop.connections == 0


def test_a_route_that_requires_dane_takes_it(signed: World) -> None:
    publish(signed, text_of(3))
    signed.route = {"dane_required": True}
    ((outcome,),) = signed.carry()
    assert isinstance(outcome, Delivered)


def test_a_trusted_certificate_of_any_name_is_what_certificate_validation_asks_for(world: World) -> None:
    world.hop = FakeHop(capabilities=WITH_TLS, tls=server_context("gateway.test"))
    world.route = {"tls": TlsLevel.VERIFIED, "trusted_authority": "ours", "tls_names": ("*",)}
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert outcome.judgement.is_verified


def test_a_policy_of_mta_sts_does_not_lift_dane(signed: World) -> None:
    signed.hop.tls = server_context(HOST)
    signed.policy = policy("enforce", HOST)
    publish(signed, text_of(3, OTHER))
    ((outcome,),) = signed.carry()
    assert (type(outcome), outcome.status) == (Deferred, "4.7.5")


@pytest.mark.parametrize("switch", ["dane", "mta_sts"])
def test_each_policy_can_be_switched_off(signed: World, switch: str) -> None:
    signed.policy = policy("enforce", "elsewhere.test") if switch == "mta_sts" else ""
    if switch == "dane":
        publish(signed, text_of(3, OTHER))
    signed.route = {switch: False}
    ((outcome,),) = signed.carry()
    assert isinstance(outcome, Delivered)


def test_a_route_that_knows_its_exchangers_says_what_they_are(world: World) -> None:
    world.hop = FakeHop(capabilities=WITH_TLS, tls=server_context("gateway.test"))
    world.policy = policy("enforce", "elsewhere.test")
    world.route = {"tls": TlsLevel.VERIFIED, "trusted_authority": "ours", "tls_names": ("gateway.test",)}
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert outcome.judgement.policy == "route: verified"


REQUIRETLS = {"require_tls": True}


def test_requiretls_is_passed_on_where_a_policy_vouches_for_the_exchanger(world: World) -> None:
    world.hop = FakeHop(capabilities=WITH_REQUIRETLS, tls=server_context(HOST))
    world.policy = policy("enforce", HOST)
    ((outcome,),) = world.carry(to(DOMAIN, **REQUIRETLS))
    assert isinstance(outcome, Delivered)
    assert "REQUIRETLS" in world.hop.messages[0].mail.split()


def test_dnssec_vouches_too_and_then_the_certificate_must_be_good(world: World) -> None:
    world.authenticated = {DOMAIN}
    world.hop = FakeHop(capabilities=WITH_REQUIRETLS, tls=server_context(HOST))
    ((outcome,),) = world.carry(to(DOMAIN, **REQUIRETLS))
    assert isinstance(outcome, Delivered) and outcome.judgement is not None
    assert outcome.judgement.policy == "requiretls: verified"


@pytest.mark.parametrize("lack", ["policy", "keyword"])
def test_what_asks_for_requiretls_goes_back_where_it_cannot_be_had(world: World, lack: str) -> None:
    world.hop = FakeHop(capabilities=WITH_TLS if lack == "keyword" else WITH_REQUIRETLS, tls=server_context(HOST))
    world.policy = "" if lack == "policy" else policy("enforce", HOST)
    ((outcome,),) = world.carry(to(DOMAIN, **REQUIRETLS))
    assert (type(outcome), outcome.status) == (Failed, "5.7.30")
    assert world.hop.messages == []


@pytest.mark.parametrize(("value", "is_carried"), [("No", True), ("no", True), ("Yes", False), ("", False)])
def test_a_message_may_do_without_what_the_domain_asks_for(world: World, value: str, is_carried: bool) -> None:
    world.policy = policy("enforce", HOST)
    content = f"Subject: outage\r\nTLS-Required: {value}\r\n\r\nA line.\r\n".encode()
    ((outcome,),) = world.carry(to(DOMAIN, content=content))
    assert isinstance(outcome, Delivered) is is_carried


def test_but_not_without_what_the_route_asks_for(world: World) -> None:
    world.route = {"tls": TlsLevel.REQUIRED}
    content = b"Subject: outage\r\nTLS-Required: No\r\n\r\nA line.\r\n"
    ((outcome,),) = world.carry(to(DOMAIN, content=content))
    assert (type(outcome), outcome.status) == (Deferred, "4.7.4")


def test_connections_are_not_shared_between_demands(signed: World) -> None:
    """What was opened without a policy is no connection for a message that needs one."""
    publish(signed, text_of(3))
    declined = to(DOMAIN, content=b"TLS-Required: No\r\n\r\nA line.\r\n")
    outcomes = signed.carry(declined, to(DOMAIN), to(DOMAIN))
    assert all(isinstance(outcome, Delivered) for (outcome,) in outcomes)
    assert signed.hop.connections == 2


@pytest.mark.parametrize(
    ("mode", "names", "mx", "policy_type", "result"),
    [
        ("", (HOST,), (), "no-policy-found", ""),
        ("", None, (), "no-policy-found", "starttls-not-supported"),
        ("enforce", (HOST,), (HOST,), "sts", ""),
        ("enforce", None, (HOST,), "sts", "starttls-not-supported"),
        ("enforce", ("elsewhere.test",), (HOST,), "sts", "certificate-host-mismatch"),
        ("enforce", (HOST,), ("elsewhere.test",), "sts", "validation-failure"),
        ("testing", (HOST,), (HOST,), "sts", ""),
        ("testing", ("elsewhere.test",), (HOST,), "sts", "certificate-host-mismatch"),
        ("testing", (HOST,), ("elsewhere.test",), "sts", "validation-failure"),
    ],
)
def test_how_tls_went_is_counted_for_the_domains_report(
    world: World, mode: str, names: tuple[str, ...] | None, mx: tuple[str, ...], policy_type: str, result: str
) -> None:
    if names is not None:
        world.hop = FakeHop(capabilities=WITH_TLS, tls=server_context(*names))
    world.policy = policy(mode, *mx) if mode else ""
    world.reports = TlsReports(enabled=True, contact="tls@relay.example")
    day = day_of(time.time())
    world.carry()
    ((counted, sessions),) = results(world.folder, day, DOMAIN)
    assert (json.loads(counted.policy)["policy-type"], counted.result, sessions) == (policy_type, result, 1)


@pytest.mark.parametrize(
    ("text", "how", "result"),
    [
        (policy("enforce", HOST), {"policy_status": 503}, "sts-policy-fetch-error"),
        ("version: STSv2\r\n", {}, "sts-policy-invalid"),
        (policy("enforce", HOST), {"policy_host": "elsewhere.test"}, "sts-webpki-invalid"),
    ],
)
def test_a_policy_that_is_announced_and_cannot_be_had_is_counted(
    world: World, text: str, how: dict[str, Any], result: str
) -> None:
    world.hop = FakeHop(capabilities=WITH_TLS, tls=server_context(HOST))
    world.policy, world.reports = text, TlsReports(enabled=True, contact="tls@relay.example")
    for name, value in how.items():
        setattr(world, name, value)
    day = day_of(time.time())
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Delivered)
    ((counted, sessions),) = results(world.folder, day, DOMAIN)
    assert (counted.result, sessions) == (result, 1)
    assert json.loads(counted.policy) == {"policy-type": "sts", "policy-domain": DOMAIN}
    assert counted.reason


@pytest.mark.parametrize("wrong", ["certificate-expired", "certificate-not-trusted"])
def test_what_is_wrong_with_a_certificate_is_counted_by_its_kind(world: World, tmp_path: Path, wrong: str) -> None:
    made = make(HOST, days=(-30, -2) if wrong == "certificate-expired" else (-2, 30))
    files = made.write(tmp_path / "made")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "certificate.pem", files / "key.pem")
    world.hop = FakeHop(capabilities=WITH_TLS, tls=context)
    world.policy, world.reports = policy("enforce", HOST), TlsReports(enabled=True, contact="tls@relay.example")
    day = day_of(time.time())
    ((outcome,),) = world.carry()
    assert isinstance(outcome, Deferred)
    ((counted, _),) = results(world.folder, day, DOMAIN)
    assert counted.result == wrong


@pytest.mark.parametrize(
    ("usage", "is_broken", "result"),
    [(None, True, "dnssec-invalid"), (None, False, "dane-required"), (1, False, "tlsa-invalid")],
)
def test_dane_that_cannot_be_had_is_counted(signed: World, usage: int | None, is_broken: bool, result: str) -> None:
    if usage is not None:
        publish(signed, text_of(usage))
    if is_broken:
        signed.broken = {f"_{signed.hop.port}._tcp.{HOST}": 2}
    signed.route, signed.reports = {"dane_required": True}, TlsReports(enabled=True, contact="tls@relay.example")
    day = day_of(time.time())
    signed.carry()
    ((counted, _),) = results(signed.folder, day, DOMAIN)
    assert (json.loads(counted.policy)["policy-type"], counted.result) == ("tlsa", result)


def test_a_kept_connection_counts_once_and_none_where_reports_are_off(world: World) -> None:
    world.reports = TlsReports(enabled=True, contact="tls@relay.example")
    day = day_of(time.time())
    world.carry(to(DOMAIN), to(DOMAIN))
    world.reports = TlsReports()
    world.carry(to(DOMAIN))
    ((_, sessions),) = results(world.folder, day, DOMAIN)
    assert sessions == 1
