"""What the trace tells of an attempt, and how much of it a next hop may fill."""

import json

from staffetta.mail.outcome import Contact, Delivered, Stage, TlsJudgement
from staffetta.queue.telling import told, told_of_contact

VERIFIED = TlsJudgement(
    policy="dane: verified", is_verified=True, names=("mx.contoso.test", "192.0.2.1"), fingerprint="ab" * 32
)
WHERE = {"host": "mx.contoso.test", "address": "192.0.2.1", "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384"}


def test_an_attempt_tells_what_asked_for_tls_and_how_it_is_met():
    assert told_of_contact(Contact(**WHERE, judgement=VERIFIED)) == {
        **WHERE,
        "tls_policy": "dane: verified",
        "tls_verified": True,
        "tls_names": "mx.contoso.test 192.0.2.1",
        "tls_fingerprint": "ab" * 32,
    }


def test_an_attempt_in_clear_tells_that_it_was_allowed_and_by_what():
    clear = TlsJudgement(policy="route: opportunistic", is_verified=False, names=(), fingerprint="")
    assert told_of_contact(Contact(host="mx.contoso.test", judgement=clear)) == {
        "host": "mx.contoso.test",
        "address": None,
        "tls": None,
        "tls_policy": "route: opportunistic",
        "tls_verified": False,
    }


def test_an_outcome_tells_the_same_of_the_connection():
    outcome = Delivered(status="2.0.0", diagnostic="250 ok", stage=Stage.FINAL_DOT, judgement=VERIFIED, **WHERE)
    assert told_of_contact(Contact(**WHERE, judgement=VERIFIED)).items() <= told(outcome).items()


def test_a_certificate_with_a_thousand_long_names_makes_no_large_event():
    names = tuple(f"{number}{'x' * 10_000}" for number in range(1000))
    judgement = TlsJudgement(policy="route: required", is_verified=False, names=names, fingerprint="ab" * 32)
    assert len(json.dumps(told_of_contact(Contact(**WHERE, judgement=judgement)))) < 2000
