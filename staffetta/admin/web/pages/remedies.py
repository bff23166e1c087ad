"""What helps against a refusal: for each reason the pages where it is mended, with what was seen filled in.

Rule 1: a way is offered where it can help; a connector is not where one matched, and nothing where only the client can.
Rule 2: whether the mail should come in is for a person to say; a link leads to a form, and changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from staffetta.admin.web.languages import N_

_WIZARD = "/connectors/add"


@dataclass(frozen=True, slots=True)
class Remedy:
    """label: English. cmdlet: what the page does; who may not do it is not led there. about: the object it changes."""

    label: str
    address: str
    cmdlet: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class _Refused:
    """facts: as Get-RefusalExplanation tells them. peer: the client's address."""

    facts: Mapping[str, Any]
    peer: str
    recipient: str

    def text(self, *names: str) -> str:
        """The first of these facts that there is."""
        return next((str(self.facts[name]) for name in names if self.facts.get(name)), "")

    @property
    def certificate(self) -> str:
        return self.text("certificate_names").partition(",")[0].strip()


_Found = Iterator[Remedy]


def remedies(explained: Mapping[str, Any], peer: str, declared: AbstractSet[str]) -> Sequence[Remedy]:
    """Return what helps, the likeliest first.

    explained: a row of Get-RefusalExplanation. peer: the client's address. declared: names of what stands in the
    settings file, which no page can change.
    """
    case = _Refused(explained["Facts"], peer, explained["Recipient"] or "")
    found = [each for way in BY_REASON.get(explained["Reason"], ()) for each in way(case)]
    return list(dict.fromkeys(each for each in found if each.about not in declared))


def wizard_for(peer: str, certificate_names: str | None) -> str:
    """Return where the wizard of connectors begins with what was seen of a client."""
    name = (certificate_names or "").partition(",")[0].strip()
    seen = {"Identify": "certificate", "TlsSenderCertificateName": name} if name else {"Identify": "addresses"}
    filled = {"Need": "application", **seen, "SenderIPAddresses": peer, "Name": f"Relay from {name or peer}"}
    return f"{_WIZARD}?{urlencode(filled)}"


def _connector(case: _Refused) -> _Found:
    """For who has none: what to match the nearest, or one of his own."""
    if case.text("nearest_connector"):
        yield _edit_connector(case.text("nearest_connector"), N_("Let the nearest connector take it"))
    yield Remedy(N_("Create a connector for this"), wizard_for(case.peer, case.certificate), "New-InboundConnector")


def _road_or_connector(case: _Refused) -> _Found:
    if case.facts.get("recipient_address_literal"):
        return
    if case.facts.get("may_relay"):
        yield Remedy(N_("Look at the roads out"), "/roads", "Get-Route")
        return
    yield from _connector(case)
    if case.facts.get("sender_domain_accepted") is False:
        yield from _sender_domain(case)
    yield from _accept(case.text("recipient_domain"), N_("Accept the recipient's domain"))


def _matched_connector(case: _Refused) -> _Found:
    name = case.text("partner", "connector", "nearest_connector")
    if name:
        yield _edit_connector(name, N_("Edit the connector"))


def _edit_connector(name: str, label: str) -> Remedy:
    return Remedy(label, f"/connectors/do/Set-InboundConnector?{urlencode({'id': name})}", "Set-InboundConnector", name)


def _unblock(case: _Refused) -> _Found:
    query = urlencode({"id": case.text("partner", "connector")})
    yield Remedy(N_("Unblock the connector"), f"/blocked/do/Remove-BlockedConnector?{query}", "Remove-BlockedConnector")


def _sender_domain(case: _Refused) -> _Found:
    yield from _accept(case.text("sender_domain"), N_("Accept the sender's domain"))


def _certificate_domain(case: _Refused) -> _Found:
    name = case.certificate
    domain = name.removeprefix("*.") if name.startswith("*.") else name.partition(".")[2]
    yield from _accept(domain, N_("Accept the certificate's domain"))


def _accept(domain: str, label: str) -> _Found:
    if domain and not domain.startswith("["):
        query = urlencode({"Name": domain, "DomainType": "InternalRelay"})
        yield Remedy(label, f"/accepted-domains/do/New-AcceptedDomain?{query}", "New-AcceptedDomain")


def _recipient(case: _Refused) -> _Found:
    domain = case.text("domain") or case.recipient.rpartition("@")[2]
    query = urlencode({"id": domain})
    label = N_("Add the recipient to its domain")
    yield Remedy(label, f"/accepted-domains/do/Set-AcceptedDomain?{query}", "Set-AcceptedDomain", domain)


def _direct_send(case: _Refused) -> _Found:
    organization = case.text("organization")
    query = urlencode({"Organization": organization, "RejectDirectSend": "false"} if organization else {})
    label = N_("Allow Direct Send")
    yield Remedy(label, f"/organizations/do/Set-OrganizationConfig?{query}", "Set-OrganizationConfig")


def _account(case: _Refused) -> _Found:
    yield Remedy(N_("Add an account that it logs in to"), "/accounts/do/New-SmtpAccount", "New-SmtpAccount")


def _edit_account(case: _Refused) -> _Found:
    name = case.text("account", "user_name")
    query = urlencode({"id": name})
    yield Remedy(N_("Edit the account"), f"/accounts/do/Set-SmtpAccount?{query}", "Set-SmtpAccount", name)


def _logins(case: _Refused) -> _Found:
    label = N_("Allow logging in, for the organisation")
    yield Remedy(label, "/settings/do/Set-TransportConfig", "Set-TransportConfig")


def _password(case: _Refused) -> _Found:
    query = urlencode({"id": case.text("user_name")})
    label = N_("Make a new password for the account")
    yield Remedy(label, f"/accounts/do/New-SmtpAccountPassword?{query}", "New-SmtpAccountPassword")


def _tolerance(case: _Refused) -> _Found:
    yield Remedy(N_("Let its connector tolerate it"), "/connectors", "Set-InboundConnector")


def _doctor(case: _Refused) -> _Found:
    yield Remedy(N_("Ask the doctor"), "/doctor", "Get-HealthReport")


def _roads(case: _Refused) -> _Found:
    yield Remedy(N_("Look at the roads out"), "/roads", "Get-Route")


def _setting(name: str) -> "_Way":
    def way(case: _Refused) -> _Found:
        yield Remedy(N_("Look at the limit"), f"/settings?{urlencode({'q': name, 'show': name})}", "Get-Setting")

    return way


_Way = Callable[[_Refused], _Found]

BY_REASON: Mapping[str, Sequence[_Way]] = {
    "relay denied": (_road_or_connector,),
    "direct send rejected": (_connector, _direct_send),
    "sender domain not accepted": (_sender_domain, _matched_connector),
    "certificate domain not accepted": (_certificate_domain, _sender_domain),
    "connector blocked": (_unblock,),
    "recipient unknown": (_recipient,),
    "partner restricted": (_matched_connector,),
    "not authenticated": (_account,),
    "send as denied": (_edit_account,),
    "tls required": (_matched_connector,),
    "authentication failed": (_password,),
    "authentication disabled": (_edit_account, _logins),
    "authentication unavailable": (_doctor,),
    "too many guesses": (_password,),
    "too many recipients": (_setting("limits.recipients_max"),),
    "too many connections": (_setting("limits.connections_per_address_max"),),
    "too fast": (_connector, _setting("limits.messages_per_minute_max")),
    "memory short": (_doctor, _setting("limits.octets_held_max")),
    "message too large": (_setting("limits.message_octets_max"),),
    "header too large": (_setting("limits.header_octets_max"),),
    "line too long": (_tolerance,),
    "early talk": (_tolerance,),
    "loop": (_roads,),
    "spool trouble": (_doctor,),
    # Only the client can mend what follows; the relay's own coming stop needs nobody.
    "ambiguous address": (),
    "bare line end": (),
    "nul octet": (),
    "shutting down": (),
    "protocol": (),
}
"""The reasons of policy/decision.py; a test goes through all of them."""
