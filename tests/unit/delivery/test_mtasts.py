"""Policies of MTA-STS are read as RFC 8461 says, and kept against who can make them silent."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import trustme

from staffetta.delivery.mtasts import BadPolicy, Mode, StsPolicy, print_policy, read_policy, read_record
from staffetta.delivery.sts_policies import AFTER_FAILURE_SECONDS, GET_AGAIN_SECONDS, StsPolicies
from staffetta.net.resolver import DnsResolver
from tests.delivery_sockets.carrying import run
from tests.dns_server import DnsServer
from tests.fakes.web import Answer, Web

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
DOMAIN = "example.test"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("v=STSv1; id=20160831085700Z;",), "20160831085700Z"),
        (("v=STSv1;id=1",), "1"),
        (("v=STSv1; more=x; id=1;",), "1"),
        (("v=spf1 -all", "v=STSv1; id=1;"), "1"),
        (("v=STSv1; id=1;", "v=STSv1; id=2;"), None),
        (("v=STSv10; id=1;",), None),
        (("v=STSv1; id=" + "a" * 33,), None),
        (("v=STSv1; id=a-b",), None),
        (("v=STSv1;",), None),
        ((), None),
    ],
)
def test_the_record_announces_a_policy_by_its_id(texts: tuple[str, ...], found: str | None) -> None:
    assert read_record(texts) == found


def test_a_policy_is_read_and_printed() -> None:
    policy = read_policy(GOOD)
    assert policy == StsPolicy(Mode.ENFORCE, ("mail.example.test", "*.example.net"), 604800)
    assert read_policy(print_policy(policy)) == policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("version: STSv1\nmode: none\nmax_age: 1\n", StsPolicy(Mode.NONE, (), 1)),
        ("version:STSv1\nmode:testing\nmx:A.test\nmax_age:1\nnew: x\n", StsPolicy(Mode.TESTING, ("a.test",), 1)),
        (GOOD + "max_age: 5\n", read_policy(GOOD)),
        (GOOD.replace("604800", "9999999999"), StsPolicy(Mode.ENFORCE, read_policy(GOOD).mx, 31_557_600)),
    ],
)
def test_policies_of_other_makings(text: str, policy: StsPolicy) -> None:
    assert read_policy(text) == policy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("STSv1", "STSv2"), "its version is 'STSv2', and must be STSv1"),
        (GOOD.replace("enforce", "always"), "its mode is 'always', and must be enforce, testing or none"),
        (GOOD.replace("604800", "a week"), "its max_age is 'a week', and must be seconds"),
        ("version: STSv1\nmode: enforce\nmax_age: 1\n", "it names 0 mail exchangers"),
        (GOOD.replace("mail.example.test", "mail.*.test"), r"mx: 'mail\.\*\.test'"),
        ("<html>", "'<html>' is no line of a policy"),
        ("", "its version is None"),
    ],
)
def test_what_is_no_policy_is_told(text: str, told: str) -> None:
    with pytest.raises(BadPolicy, match=told):
        read_policy(text)


@pytest.mark.parametrize(
    ("host", "is_named"),
    [
        ("mail.example.test", True),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("mail.example.test.evil.test", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, is_named: bool) -> None:
    assert read_policy(GOOD).names(host) is is_named


@dataclass
class World:
    """A domain with a record and a policy server, and a clock that a test turns."""

    folder: Path
    texts: list[str] = field(default_factory=lambda: ['"v=STSv1; id=1;"'])
    answer: Callable[[], Answer] = lambda: Answer(200, GOOD.encode(), {"Content-Type": "text/plain; charset=utf-8"})
    named: str = f"mta-sts.{DOMAIN}"
    now: float = 1_000_000.0
    allows_private: bool = True
    at_once: int = 1

    def ask(self, *steps: Callable[[], None], fresh: bool = False) -> list[StsPolicy | None]:
        """Ask once, and once after each step. fresh: by a relay that has just started, each time."""
        authority = trustme.CA()
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(self.named).configure_cert(server_tls)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)

        async def handler(request: object) -> Answer:
            return self.answer()

        async def main() -> list[StsPolicy | None]:
            self.zone = {(f"mta-sts.{DOMAIN}", "A"): ["127.0.0.1"]}
            self.web = Web(handler, server_tls)
            self.dns = DnsServer(self.zone, ttl=0)
            async with self.dns.listening(), self.web.listening():
                policies = None
                found = []
                for step in (lambda: None, *steps):
                    step()
                    self.zone[(f"_mta-sts.{DOMAIN}", "TXT")] = self.texts
                    if policies is None or fresh:
                        policies = StsPolicies(
                            self.folder,
                            DnsResolver([self.dns.address], timeout_seconds=self.dns.patience_seconds),
                            now=lambda: self.now,
                            port=self.web.port,
                            make_client=lambda: httpx2.AsyncClient(verify=trust, trust_env=False, timeout=5),
                        )
                    asked = [policies.of(DOMAIN, allows_private=self.allows_private) for _ in range(self.at_once)]
                    (answer,) = set(await asyncio.gather(*asked))
                    found.append(answer)
                    if fresh:
                        await policies.close()
                await policies.close()
                return found

        return run(main())

    def later(self, seconds: float) -> Callable[[], None]:
        def step() -> None:
            self.now += seconds

        return step

    def then(self, **values: object) -> Callable[[], None]:
        def step() -> None:
            for name, value in values.items():
                setattr(self, name, value)

        return step


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "mta-sts")


POLICY = read_policy(GOOD)
DOWN = Answer(503)


def test_a_policy_is_got_by_https_from_its_own_host_and_kept(world: World) -> None:
    assert world.ask(world.later(60), world.later(60)) == [POLICY] * 3
    (request,) = world.web.requests
    assert request.path == "/.well-known/mta-sts.txt"
    assert request.headers["host"] == f"mta-sts.{DOMAIN}"


def test_a_policy_outlives_the_process(world: World) -> None:
    assert world.ask(world.then(texts=[]), fresh=True) == [POLICY, POLICY]
    assert len(world.web.requests) == 1


def test_who_makes_record_and_server_silent_gains_nothing_until_it_ends(world: World) -> None:
    silent = world.then(texts=[], answer=lambda: DOWN)
    assert world.ask(silent, world.later(604_000), world.later(1_000)) == [POLICY, POLICY, POLICY, None]


def test_another_id_brings_the_new_policy(world: World) -> None:
    new = GOOD.replace("enforce", "testing")
    change = world.then(
        texts=['"v=STSv1; id=2;"'], answer=lambda: Answer(200, new.encode(), {"Content-Type": "text/plain"})
    )
    first, second = world.ask(change)
    assert first == POLICY and second is not None and second.mode is Mode.TESTING


def test_a_policy_is_got_again_after_a_day_so_that_it_never_ends_in_use(world: World) -> None:
    world.ask(world.later(GET_AGAIN_SECONDS - 1), world.later(1), world.later(1))
    assert len(world.web.requests) == 2


def test_without_a_record_nobody_is_asked(world: World) -> None:
    world.texts = []
    assert world.ask() == [None]
    assert world.web.requests == []


def test_a_server_that_has_none_is_left_alone_for_a_while(world: World) -> None:
    world.answer = lambda: DOWN
    assert world.ask(world.later(1), world.later(AFTER_FAILURE_SECONDS)) == [None] * 3
    assert len(world.web.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(301, b"", {"Location": "https://elsewhere.test/"}),
        Answer(200, GOOD.encode(), {"Content-Type": "text/html"}),
        Answer(200, GOOD.encode() + b"x: " + b"y" * 65_536, {"Content-Type": "text/plain"}),
        Answer(200, b"\xff\xfe", {"Content-Type": "text/plain"}),
    ],
)
def test_what_is_not_as_it_must_be_is_no_policy(world: World, answer: Answer) -> None:
    world.answer = lambda: answer
    assert world.ask() == [None]


def test_the_servers_certificate_must_be_its_own(world: World) -> None:
    world.named = "elsewhere.test"
    assert world.ask() == [None]
    assert world.web.requests == []


def test_a_domain_leads_nobody_to_a_private_address(world: World) -> None:
    world.allows_private = False
    assert world.ask() == [None]
    assert world.web.connections == 0


def test_many_messages_make_one_request(world: World) -> None:
    world.at_once = 20
    assert world.ask() == [POLICY]
    assert len(world.web.requests) == 1
