"""What a stranger's certificate costs: it has as many names as are read, and every one of them leads somewhere.

It was 50 seconds of the event loop for each command, with fifty connectors and a second organisation.
"""

import time
from ipaddress import ip_address

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.envelope import Recipient
from staffetta.policy import relay
from staffetta.policy.certificate import NAMES_MAX
from staffetta.policy.connector import attribute
from staffetta.policy.decision import PeerCertificate, SessionFacts, TlsFacts
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector
from staffetta.smtp.events import Rcpt
from tests.certificates import NOW, make

CONNECTORS = 200
ORGANIZATIONS = 50
BOUND_SECONDS = 1.0  # of the processor's time; it takes some hundredths
ATTACKS = {
    "under one wildcard": "other{number}.contoso.com",
    "two below it": "a.host{number}.contoso.com",
    "in every organisation": "host{number}.tenant{tenant}.com",
    "one of each connector": "host{connector}.contoso.com",
}


def settings() -> Settings:
    """Many connectors of one organisation, and many organisations with one."""
    names = ("*.contoso.com",)
    ours = [
        InboundConnector(
            name=f"Ours {number}",
            require_tls=True,
            tls_sender_certificate_name=(f"host{number}.contoso.com", *names),
            trusted_authority="own",
        )
        for number in range(CONNECTORS)
    ]
    theirs = [
        InboundConnector(
            name=f"Theirs {number}",
            organization=f"Tenant {number}",
            require_tls=True,
            tls_sender_certificate_name=(f"*.tenant{number}.com",),
            trusted_authority="own",
        )
        for number in range(ORGANIZATIONS)
    ]
    domains = [AcceptedDomain(name="contoso.com", route="out")] + [
        AcceptedDomain(name=f"tenant{number}.com", route="out", organization=f"Tenant {number}")
        for number in range(ORGANIZATIONS)
    ]
    return Settings.model_validate(
        {"hostname": "relay.example", "data_dir": "/nonexistent", "default_route": "out"}
        | {"inbound_connectors": (*ours, *theirs), "accepted_domains": domains}
    )


@pytest.mark.parametrize("pattern", ATTACKS.values(), ids=ATTACKS)
def test_a_certificate_of_a_thousand_names_does_not_stop_the_others(pattern: str) -> None:
    names = [
        pattern.format(number=number, tenant=number % ORGANIZATIONS, connector=number % CONNECTORS)
        for number in range(NAMES_MAX)
    ]
    made = make(*names)
    tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", PeerCertificate(made.der))
    facts = SessionFacts("S", "relay", ip_address("192.0.2.1"), tls=tls)
    sender, outside = parse_mailbox("eve@contoso.com"), Rcpt(Recipient(parse_mailbox("bob@outside.example")))
    snapshot = settings()
    before = time.process_time()
    attribution = attribute(facts, sender, snapshot, NOW.timestamp())
    decision = relay.recipient(facts, attribution, sender, outside, snapshot)
    assert time.process_time() - before < BOUND_SECONDS
    assert attribution.connector is None
    assert not decision.is_accepted
