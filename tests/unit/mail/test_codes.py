"""The dictionary knows what we say, what Exchange says, and the errors of tokens and Graph."""

import pytest

from staffetta.delivery import graph_outcomes
from staffetta.mail.codes import Whose, entries, explain, sentence
from staffetta.smtp import reply
from tests.fakes import entra, graph

REFUSALS = {name: each for name, each in reply.catalogue().items() if each.code >= 400}
OURS, TENANT, THEIRS, SENDER = Whose.RELAY, Whose.TENANT, Whose.RECIPIENT, Whose.SENDER
WAIT, ACT = True, False
STAMP = "[AM0PR01CA0001.outlook.office365.com 2026-11-24T09:00:00.000Z 08DD59CA63652EED]"


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_of_ours_is_explained(name: str) -> None:
    assert explain(str(REFUSALS[name])) is not None


def test_replies_that_are_no_refusals_are_not_explained() -> None:
    assert [name for name, each in reply.catalogue().items() if each.code < 400 and explain(str(each))] == []


@pytest.mark.parametrize("number", entra.ERRORS)
def test_every_error_of_the_token_endpoint_is_explained(number: int) -> None:
    _, error, said = entra.ERRORS[number]
    assert explain(f"{error}: AADSTS{number}: {said}") is not None


@pytest.mark.parametrize("code", {**graph.ERRORS, **graph_outcomes._BY_CODE})
def test_every_error_of_graph_is_explained(code: str) -> None:
    assert explain(f"Graph answered 400 {code}: something (request-id 1-2)") is not None


@pytest.mark.parametrize(
    ("text", "in_cause", "whose", "is_worth_waiting"),
    [
        ("550 5.7.64 TenantAttribution; Relay Access Denied", "No connector recognises", OURS, ACT),
        ("550 5.7.64 Relay Access Denied ATTR36.", "domain is not", TENANT, ACT),
        ("535 5.7.139 Authentication unsuccessful, disabled for the Mailbox", "this mailbox", TENANT, ACT),
        ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "password", OURS, ACT),
        ("535 5.7.139 Authentication unsuccessful, security defaults policy.", "policy", TENANT, ACT),
        ("535 5.7.3 Authentication unsuccessful", "login was refused", OURS, ACT),
        ("432 4.3.2 Concurrent connections limit exceeded.", "three connections", OURS, WAIT),
        ("432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "one mailbox", THEIRS, WAIT),
        ("451 4.3.2 Temporary server error. Please try again later ATTR55", "whose mail", TENANT, WAIT),
        ("421 4.3.2 Service not available", "takes no mail", TENANT, WAIT),
        ("554 5.2.252 SendAsDenied; a@contoso.com not allowed to send as b@contoso.com", "From", TENANT, ACT),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "From", TENANT, ACT),
        ("451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77714)", "slows", OURS, WAIT),
        ("550 5.7.606 Access denied, banned sending IP [192.0.2.1].", "block list", OURS, ACT),
        ("550 5.7.1 Client host [192.0.2.1] blocked using Spamhaus.", "public block list", OURS, ACT),
        ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "does not exist", SENDER, ACT),
        ("550 5.2.2 mailbox full", "full", THEIRS, WAIT),
        ("550 5.2.2 Submission quota exceeded", "limit", TENANT, WAIT),
        ("550-5.1.1 The email account that you tried to reach does not exist.", "does not exist", SENDER, ACT),
        ("no token: invalid_client: AADSTS7000215: Invalid client secret provided.", "secret is wrong", OURS, ACT),
        ("invalid_client", "who we say", OURS, ACT),
        ("Graph answered 403 ErrorSendAsDenied: The user account … (request-id 1)", "From", TENANT, ACT),
    ],
)  # fmt: skip
def test_texts_that_people_have_seen(text: str, in_cause: str, whose: Whose, is_worth_waiting: bool) -> None:
    for shown in (text, f"{text} {STAMP}"):
        found = explain(shown)
        assert found is not None
        assert in_cause in found.cause
        assert (found.whose, found.is_worth_waiting) == (whose, is_worth_waiting)


@pytest.mark.parametrize("text", ["", "250 2.0.0 OK", "421 go away", "599 5.99.99 what", "lost", "x" * 9999])
def test_what_is_not_known_is_not_guessed_at(text: str) -> None:
    assert explain(text) is None
    assert sentence(text) is None


def test_no_entry_hides_another() -> None:
    seen: set[tuple[str, str]] = set()
    bare: set[str] = set()
    for entry in entries():
        for code in entry.codes:
            assert (code, entry.words) not in seen
            assert code not in bare, f"{code} with {entry.words!r} comes after one that takes any words"
            seen.add((code, entry.words))
            if not entry.words:
                bare.add(code)


def test_causes_and_fixes_are_sentences() -> None:
    for entry in entries():
        for text in (entry.cause, entry.fix):
            assert text.endswith(".")
            assert text[0].isupper()
            assert "|" not in text
