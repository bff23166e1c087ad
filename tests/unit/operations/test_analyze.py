"""Get-HeaderAnalysis: pasted headers, a message that waits, and the keys of its signatures."""

from collections.abc import Iterator

import pytest

from staffetta.operations.errors import BadParameter, BadValue, NotFound, RoleMissing
from staffetta.operations.recomputing import recomputed
from staffetta.operations.roles import Caller, Role
from staffetta.settings.model import Dns, HeaderAnalysis
from tests.dns_server import DnsServer
from tests.unit.analyzer.test_recomputing import RFC_8463, RFC_8463_KEYS
from tests.unit.operations.dns import serving
from tests.unit.operations.mail import kept
from tests.unit.operations.office import Office

HELP_DESK = Caller("hal", frozenset({Role.HELP_DESK}), "api")
COMPLIANCE = Caller("cleo", frozenset({Role.COMPLIANCE}), "api")
FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
TEXT = (
    "Received: from relay.contoso.com (203.0.113.7) by mx.example with ESMTPS id 2; Fri, 3 Sep 2021 02:42:11 +0000\n"
    "Received: from app (10.1.2.3) by relay.contoso.com with ESMTP id 1; Fri, 3 Sep 2021 00:32:11 +0000\n"
    "Authentication-Results: mx.example; spf=pass smtp.mailfrom=a.example\n"
)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with serving(DnsServer({(name, "TXT"): [_quoted(text)] for name, text in RFC_8463_KEYS.items()})) as server:
        yield server


def _quoted(text: str) -> str:
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


def test_there_is_a_row_for_each_hop(office: Office) -> None:
    rows = office("Get-HeaderAnalysis", HELP_DESK, Headers=TEXT)
    assert [row["ReceivedBy"] for row in rows] == ["relay.contoso.com", "mx.example"]
    with pytest.raises(BadValue, match="Paste the message's source"):
        office("Get-HeaderAnalysis", Headers="nothing")


def test_headers_or_a_message_must_be_named(office: Office) -> None:
    for given in ({}, {"Headers": TEXT, "Identity": "0GZ6Q1Y2W4X8A"}):
        with pytest.raises(BadParameter, match="one of Headers and Identity"):
            office("Get-HeaderAnalysis", **given)


def test_whom_to_trust_is_a_setting_that_a_parameter_overrides(office: Office) -> None:
    def says(**given: object) -> str:
        return str(office("Get-HeaderAnalysis", Headers=TEXT, **given)[0]["Findings"])

    assert "nothing shows that this host can be trusted" in says()
    office.settings = office.settings.model_copy(
        update={"header_analysis": HeaderAnalysis(trusted_hosts=("mx.example",))}
    )
    assert "good: mx.example says SPF pass" in says()
    assert "nothing shows that this host can be trusted" in says(TrustedHosts=["other.example"])


def test_who_may_not_read_mail_does_not_see_what_a_message_says(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com")
    with pytest.raises(RoleMissing, match="Compliance Management"):
        office("Get-HeaderAnalysis", HELP_DESK, Identity=queue_id)
    with pytest.raises(NotFound):
        other = kept(office.settings, "bob@contoso.com", connector=None)
        office("Get-HeaderAnalysis", FABRIKAM, Identity=other)
    assert office("Search-AdminAuditLog") == []


def test_that_a_message_was_read_is_written_down(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com")
    office("Get-HeaderAnalysis", COMPLIANCE, Identity=queue_id.lower())
    (row,) = office("Search-AdminAuditLog")
    assert (row["CmdletName"], row["ObjectModified"], row["Caller"]) == ("Get-HeaderAnalysis", queue_id, "cleo")


def test_content_that_is_gone_is_told(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com")
    office("Remove-Message", Identity=queue_id)
    with pytest.raises(NotFound, match="it is kept as long as a recipient waits"):
        office("Get-HeaderAnalysis", Identity=queue_id)


def test_keys_come_from_the_dns_and_offline_nobody_is_asked(office: Office, dns: DnsServer) -> None:
    office.settings = office.settings.model_copy(update={"dns": Dns(servers=(dns.address,))})
    message = "Received: by mx.example; Fri, 11 Jul 2003 21:00:38 -0700\n" + RFC_8463.decode()

    def findings(**given: object) -> str:
        return " ".join(map(str, office("Get-HeaderAnalysis", Headers=message, **given)[0]["Findings"]))

    assert "Signatures were not recomputed: nobody was to be asked" in findings(Offline=True)
    assert dns.asked == []
    told = findings()
    assert "computed again here: pass (ed25519-sha256, 256 bits)" in told
    assert "computed again here: pass (rsa-sha256, 1024 bits)" in told
    assert {name for name, _, _ in dns.asked} == set(RFC_8463_KEYS)


def test_a_dns_that_fails_is_told_and_blames_nobody(office: Office, dns: DnsServer) -> None:
    dns.broken = dict.fromkeys(RFC_8463_KEYS, 2)
    office.settings = office.settings.model_copy(update={"dns": Dns(servers=(dns.address,))})
    (row,) = office("Get-HeaderAnalysis", Headers="Received: by mx.example\n" + RFC_8463.decode())
    assert "temperror" in str(row["Findings"]) and "SERVFAIL" in str(row["Findings"])


def test_a_dns_that_keeps_silent_does_not_keep_the_analyzer(dns: DnsServer) -> None:
    dns.broken = dict.fromkeys(RFC_8463_KEYS)
    settings = Dns(servers=(dns.address,))
    computed = recomputed(RFC_8463, settings, offline=False, seconds_max=0.01).computed
    assert [(each.result, "does not answer in time" in each.why) for each in computed] == [("temperror", True)] * 2
