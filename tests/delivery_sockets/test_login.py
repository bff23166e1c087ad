"""Logging in to next hops: by each mechanism, never in clear to another machine, and what a refusal does."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from staffetta.delivery.hops import NextHops
from staffetta.delivery.oauth import TokenUnavailable
from staffetta.delivery.smtp_courier import SmtpCourier
from staffetta.mail.outcome import Deferred, Delivered, Stage
from staffetta.metrics import NEXT_HOP_LOGINS
from staffetta.settings.roads import Authentication, Mechanism, TlsLevel
from tests.certificates import SERVER, make
from tests.delivery_sockets.carrying import Sender, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, Answer, FakeHop
from tests.delivery_sockets.test_trust import server_context

PASSWORD = "geheim: ü"
TOKEN = Authentication(mechanism=Mechanism.XOAUTH2, user_name="printer@contoso.test", token_source="entra")
ACCEPTED = b"235 2.7.0 welcome\r\n"
REFUSED = b"535 5.7.139 Authentication unsuccessful\r\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = f"AUTH PLAIN {encoded(chr(0) + 'printer' + chr(0) + PASSWORD)}"
LOGIN = ["AUTH LOGIN", encoded("printer"), encoded(PASSWORD)]


def xoauth2(token: str) -> str:
    return "AUTH XOAUTH2 " + encoded(f"user=printer@contoso.test\x01auth=Bearer {token}\x01\x01")


@dataclass
class FakeTokens:
    """given: what is got, one after the other."""

    given: list[str | TokenUnavailable] = field(default_factory=lambda: ["first", "second"])
    forgotten: list[str] = field(default_factory=list)

    async def token(self, name: str) -> str:
        assert name == "entra"
        if isinstance(self.given[0], TokenUnavailable):
            raise self.given[0]
        return self.given[0]

    def forget(self, name: str, token: str) -> None:
        self.forgotten.append(token)
        self.given.pop(0)


@pytest.fixture
def password(tmp_path) -> Callable[[Mechanism], Authentication]:
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    return lambda mechanism: Authentication(
        mechanism=mechanism, user_name="printer", password=f"file:{tmp_path / 'password'}"
    )


@pytest.fixture
def hop(tmp_path) -> FakeHop:
    context = server_context(make("mail.contoso.test", usages=(SERVER,)), tmp_path)
    names = (*ALL_CAPABILITIES, "STARTTLS", "AUTH LOGIN PLAIN XOAUTH2")
    return FakeHop(capabilities=names, tls=context, script=scripted({PLAIN: ACCEPTED}))


def scripted(answers: dict[str, Answer]) -> Callable[[str, str], Answer]:
    """What is answered to a line; to others, what a good server says."""
    return lambda step, line: answers.get(line) if step not in ("CONNECT", "CONTENT") else None


def send(hop: FakeHop, login: Authentication, tokens: FakeTokens | None = None, **keys):
    async def main():
        async with hop.listening():
            sender = Sender(settings_for(hop, authentication=login, **keys))
            if tokens is not None:
                sender.couriers._smtp = SmtpCourier(tokens, NextHops())
            (outcome,) = await sender.send_and_close()
            return outcome

    return run(main())


def after_tls(hop: FakeHop) -> list[str]:
    return hop.lines[hop.lines.index("STARTTLS") + 2 :]


def test_plain_takes_one_line(hop, password):
    assert isinstance(send(hop, password(Mechanism.PLAIN)), Delivered)
    assert after_tls(hop)[0] == PLAIN
    assert after_tls(hop)[1].startswith("MAIL")


def test_login_waits_for_each_challenge(hop, password):
    hop.script = scripted({LOGIN[0]: b"334 VXNlcm5hbWU6\r\n", LOGIN[1]: b"334 UGFzc3dvcmQ6\r\n", LOGIN[2]: ACCEPTED})
    assert isinstance(send(hop, password(Mechanism.LOGIN)), Delivered)
    assert after_tls(hop)[:3] == LOGIN


def test_xoauth2_shows_the_token_of_its_source(hop):
    hop.script = scripted({xoauth2("first"): ACCEPTED})
    tokens = FakeTokens()
    assert isinstance(send(hop, TOKEN, tokens), Delivered)
    assert tokens.forgotten == []


@pytest.mark.parametrize("is_told_by_challenge", [True, False])
def test_a_token_that_is_refused_is_got_anew_once(hop, is_told_by_challenge):
    first = b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n" if is_told_by_challenge else REFUSED
    hop.script = scripted({xoauth2("first"): first, "": REFUSED, xoauth2("second"): ACCEPTED})
    tokens = FakeTokens()
    assert isinstance(send(hop, TOKEN, tokens), Delivered)
    assert tokens.forgotten == ["first"]


def test_a_second_refusal_of_a_token_stands(hop):
    hop.script = scripted({xoauth2("first"): REFUSED, xoauth2("second"): REFUSED})
    tokens = FakeTokens(["first", "second", "third"])
    outcome = send(hop, TOKEN, tokens)
    assert isinstance(outcome, Deferred) and outcome.diagnostic.startswith("535 5.7.139")
    assert tokens.forgotten == ["first"]


def test_no_token_defers_with_the_reason(hop):
    outcome = send(hop, TOKEN, FakeTokens([TokenUnavailable("no token of entra: it is closed", None, 30)]))
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage) == ("4.7.0", Stage.AUTH)
    assert outcome.diagnostic == "no token of entra: it is closed"


FAILURES = {
    "wrong password": (b"535 5.7.8 bad credentials\r\n", "4.7.8", "535 5.7.8 bad credentials"),
    "without enhanced code": (b"535 no\r\n", "4.7.8", "535 no"),
    "not now": (b"454 4.7.0 later\r\n", "4.7.0", "454 4.7.0 later"),
    "goodbye": (b"421 4.7.0 too many\r\n", "4.7.0", "421 4.7.0 too many"),
    "challenges without end": (b"334 \r\n", "4.5.0", "the next hop does not end AUTH: 334 "),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_login_that_fails_is_trouble_of_the_route_and_no_bounce(hop, password, case):
    answer, status, diagnostic = FAILURES[case]
    hop.script = scripted({PLAIN: answer, "*": answer})
    before = NEXT_HOP_LOGINS.labels("out", "failed")._value.get()
    outcome = send(hop, password(Mechanism.PLAIN))
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage, outcome.diagnostic) == (status, Stage.AUTH, diagnostic)
    assert NEXT_HOP_LOGINS.labels("out", "failed")._value.get() == before + 1
    assert not any(line.startswith("MAIL") for line in hop.lines)


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_hop_that_wants_a_login_at_mail_defers(code):
    hop = FakeHop(script=lambda step, line: b"%d 5.7.57 not authenticated\r\n" % code if step == "MAIL" else None)

    async def main():
        async with hop.listening():
            return (await Sender(settings_for(hop)).send_and_close())[0]

    outcome = run(main())
    assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
    assert (outcome.status, outcome.stage) == ("4.7.57", Stage.MAIL)


def test_a_mechanism_that_is_not_offered_is_not_tried(hop, password):
    hop.capabilities = (*ALL_CAPABILITIES, "STARTTLS", "AUTH=LOGIN", "AUTH XOAUTH2")
    outcome = send(hop, password(Mechanism.PLAIN))
    assert isinstance(outcome, Deferred) and outcome.status == "4.7.4"
    assert outcome.diagnostic == "the next hop offers LOGIN, XOAUTH2; the route logs in with PLAIN"


def test_a_password_that_cannot_be_read_defers_and_names_the_reference(hop):
    login = Authentication(user_name="printer", password="file:/nowhere/password")
    outcome = send(hop, login)
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.stage) == ("4.3.5", Stage.AUTH)
    assert outcome.diagnostic == "the secret in /nowhere/password cannot be read: No such file or directory"


@pytest.mark.parametrize("level", [TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRED])
def test_credentials_do_not_travel_in_clear(password, level):
    hop = FakeHop(capabilities=(*ALL_CAPABILITIES, "AUTH PLAIN"), script=scripted({PLAIN: ACCEPTED}))
    outcome = send(hop, password(Mechanism.PLAIN), tls=level)
    assert isinstance(outcome, Deferred) and outcome.status == "4.7.4"
    assert hop.lines == ["EHLO relay.example"]


def test_a_refused_starttls_is_no_way_to_get_at_credentials(hop, password):
    hop.script = scripted({"STARTTLS": b"454 4.7.0 not now\r\n", PLAIN: ACCEPTED})
    outcome = send(hop, password(Mechanism.PLAIN))
    assert isinstance(outcome, Deferred) and outcome.stage is Stage.TLS
    assert hop.lines[-1] == "STARTTLS"


def test_this_machine_may_have_them_in_clear_where_the_route_says_none(password):
    hop = FakeHop(capabilities=(*ALL_CAPABILITIES, "AUTH PLAIN"), script=scripted({PLAIN: ACCEPTED}))
    assert isinstance(send(hop, password(Mechanism.PLAIN), tls=TlsLevel.NONE), Delivered)


def test_no_secret_reaches_the_log(hop, password, capsys):
    hop.script = scripted({PLAIN: REFUSED})
    send(hop, password(Mechanism.PLAIN))
    told = "".join(capsys.readouterr())
    assert "login to the next hop failed" in told
    assert PASSWORD not in told and encoded(PASSWORD) not in told and PLAIN.split()[-1] not in told
