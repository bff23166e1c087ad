"""The wizard's words and order: needs, the classic pair of From and To, the steps of each way, and what they come to.

Rule 1: this is a projection of the cmdlets New- and Set- of both connectors; whether a value is right they say.
Rule 2: a change gives what differs from how the connector stood, so that what no step shows stays as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from staffetta.admin.web.drafts import Draft
from staffetta.admin.web.languages import N_
from staffetta.admin.web.values import as_text

OWN, PARTNER, RELAY = "own", "partner", "relay"
PLACES = (
    (OWN, N_("Your organization's email server, or a device or program of yours")),
    (PARTNER, N_("Partner organization")),
    (RELAY, N_("This relay (Office 365, in Exchange's wizard)")),
)


class Way(Enum):
    """Which object a wizard makes."""

    OWN_IN = "own-in"
    PARTNER_IN = "partner-in"
    OUT = "out"


WAYS: Mapping[tuple[str, str], Way] = {
    (OWN, RELAY): Way.OWN_IN,
    (PARTNER, RELAY): Way.PARTNER_IN,
    (RELAY, OWN): Way.OUT,
    (RELAY, PARTNER): Way.OUT,
}


@dataclass(frozen=True, slots=True)
class Need:
    """What somebody wants, in his words. pair: what that is as From and To. values: how the fields stand at first."""

    code: str
    label: str
    about: str
    pair: tuple[str, str]
    values: Mapping[str, str]


NEEDS = (
    Need(
        "printer",
        N_("A printer or scanner to colleagues"),
        N_("Known by its address; it needs neither a password nor TLS."),
        (OWN, RELAY),
        {"Identify": "addresses"},
    ),
    Need(
        "application",
        N_("An application to customers"),
        N_("A program that sends to everybody in the name of your domains."),
        (OWN, RELAY),
        {"Identify": "addresses"},
    ),
    Need(
        "server",
        N_("Our mail server to Microsoft 365, or to the world, through this relay"),
        N_("Known by its certificate, or by the address that it sends from."),
        (OWN, RELAY),
        {"Identify": "certificate", "CloudServicesMailEnabled": "true"},
    ),
    Need(
        "iis",
        N_("Replace the SMTP service of IIS"),
        N_("The addresses of its relay list, taken over as they are."),
        (OWN, RELAY),
        {"Identify": "addresses"},
    ),
    Need(
        "microsoft",
        N_("This relay to Microsoft 365, as a server of the organization"),
        N_("An outbound connector here, and the commands for the inbound one in Exchange. It takes every sender."),
        (RELAY, OWN),
        {"Routing": "hosts", "TlsSettings": "DomainValidation", "TlsDomain": "mail.protection.outlook.com"},
    ),
    Need(
        "mailbox",
        N_("This relay to Microsoft 365, through a mailbox that it logs in to"),
        N_("By SMTP with OAuth, or by Graph: for where port 25 is closed, or no connector may be made in Exchange."),
        (RELAY, PARTNER),
        {"Routing": "route", "RecipientDomains": "*"},
    ),
    Need(
        "smarthost",
        N_("This relay to another server, for some domains or for all"),
        N_("An outbound connector with smart hosts."),
        (RELAY, PARTNER),
        {"Routing": "hosts"},
    ),
    Need(
        "world",
        N_("This relay to the mail exchangers of each recipient's domain"),
        N_("As the DNS says; TLS where the other side offers it."),
        (RELAY, PARTNER),
        {"Routing": "mx", "RecipientDomains": "*"},
    ),
    Need(
        "partner",
        N_("A partner's mail, only from where it should come"),
        N_("It lets nobody relay; it refuses mail of their domains from elsewhere or without TLS."),
        (PARTNER, RELAY),
        {"RequireTls": "true"},
    ),
)
ROUTE_PRESETS = {
    "submission": """[[routes]]
name = "submission"
preset = "exchange-submission"
authentication = { user_name = "scanner@contoso.com", token_source = "m365" }
""",
    "graph": """[[routes]]
name = "graph"
preset = "exchange-graph"
token_source = "m365"
graph_mailbox = "scanner@contoso.com"
""",
}
"""Roads that log in to Microsoft 365, with the token source that docs/delivery-m365.md makes."""
_FIRST = {"Enabled": "true", "SenderRewriting": "keep", "TrustedAuthority": "public", "Routing": "mx"}


@dataclass(frozen=True, slots=True)
class Step:
    """code: in the address, and of its template. ticks, lists, texts: its fields; parameters: whose errors it shows."""

    code: str
    label: str
    texts: tuple[str, ...] = ()
    ticks: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.texts, *self.ticks, *self.lists)


SCENARIO = Step("scenario", N_("Scenario"), texts=("Need", "From", "To"))
_NAME = Step("name", N_("Name"), texts=("Name", "Comment"), ticks=("Enabled", "CloudServicesMailEnabled"))
_NAME_ALONE = Step("name", N_("Name"), texts=("Name", "Comment"), ticks=("Enabled",))
_IDENTIFY = Step(
    "identify",
    N_("How to identify"),
    texts=("Identify", "TlsSenderCertificateName", "TrustedAuthority"),
    lists=("SenderIPAddresses",),
)
_RULES = Step(
    "rules",
    N_("Limits and senders"),
    texts=("SenderRewriting", "RewrittenSender", "AllowedSenders", "AssociatedAcceptedDomains", "MessagesPerMinute"),
    ticks=("RequireTls", "AllowAuthenticationWithoutTls", "NeverTwice"),
)
_PARTNER = Step(
    "partner",
    N_("Partner and restrictions"),
    texts=("SenderDomains", "TlsSenderCertificateName"),
    ticks=("RequireTls", "RestrictDomainsToCertificate", "RestrictDomainsToIPAddresses"),
    lists=("SenderIPAddresses",),
)
_USE = Step("use", N_("Use of connector"), texts=("Use", "RecipientDomains"))
_ROUTING = Step(
    "routing", N_("Routing and security"), texts=("Routing", "Route", "TlsSettings", "TlsDomain"), lists=("SmartHosts",)
)
REVIEW = Step("review", N_("Review"))

_STEPS: Mapping[Way, tuple[Step, ...]] = {
    Way.OWN_IN: (SCENARIO, _NAME, _IDENTIFY, _RULES, REVIEW),
    Way.PARTNER_IN: (SCENARIO, _NAME_ALONE, _PARTNER, REVIEW),
    Way.OUT: (SCENARIO, _NAME_ALONE, _USE, _ROUTING, REVIEW),
}


def fresh(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a new draft. asked: what the link that leads here fills in, by field."""
    need = need_of(asked.get("Need", ""))
    known = {name for steps in _STEPS.values() for step in steps for name in step.fields}
    return {**_FIRST, **_chosen(need), **{name: value for name, value in asked.items() if name in known}}


def need_of(code: str) -> Need | None:
    return next((each for each in NEEDS if each.code == code), None)


def choose(draft: Draft) -> None:
    """Fill in what goes with the need that was chosen."""
    if (need := need_of(draft.values.get("Need", ""))) is not None:
        draft.values |= _chosen(need)


def way_of(draft: Draft) -> Way | None:
    """Return what will be made; None where nothing goes from there to there."""
    return WAYS.get((draft.values.get("From", ""), draft.values.get("To", "")))


def steps_of(draft: Draft) -> Sequence[Step]:
    """Return the steps of this draft; before anything is chosen, those of the usual way. No edit changes which."""
    steps = _STEPS[way_of(draft) or Way.OWN_IN]
    return steps if draft.edited is None else steps[1:]


def call_of(draft: Draft) -> tuple[str, dict[str, object]]:
    """Return the cmdlet, and what it is given."""
    noun = "OutboundConnector" if way_of(draft) is Way.OUT else "InboundConnector"
    wanted = parameters_of(draft)
    if draft.edited is None:
        return f"New-{noun}", wanted
    stood = draft.edited.stood
    changed = {name: value for name, value in wanted.items() if name not in stood or stood[name] != value}
    gone = {name: _CLEARED.get(name) for name in stood if name not in wanted}
    return f"Set-{noun}", {"Identity": draft.edited.identity, **changed, **gone}


# What stands where a parameter is given no more; nothing, where it is a text or a list.
_CLEARED: Mapping[str, object] = {
    "Enabled": True,
    "UseMXRecord": True,
    "TrustedAuthority": "public",
    "SenderRewriting": "keep",
    **dict.fromkeys(
        (
            *("CloudServicesMailEnabled", "RequireTls", "AllowAuthenticationWithoutTls", "NeverTwice"),
            *("RestrictDomainsToCertificate", "RestrictDomainsToIPAddresses"),
            *("IsTransportRuleScoped", "AllAcceptedDomains"),
        ),
        False,
    ),
}


def certificate_names(draft: Draft) -> list[str]:
    """Return the names in certificates, which stand in one field with commas between."""
    return [each for each in re.split(r"[\s,]+", draft.values.get("TlsSenderCertificateName", "")) if each]


def values_of(connector: Mapping[str, Any], *, is_out: bool) -> dict[str, str]:
    """Return the fields as they stand for a connector. connector: its row, by outside name."""
    known = {name for steps in _STEPS.values() for step in steps for name in step.fields}
    ticks = {name for steps in _STEPS.values() for step in steps for name in step.ticks}
    values = {name: as_text(connector[name]) for name in known if name in connector}
    values |= {name: "" for name in ticks if values.get(name) == "false"}
    is_own = connector["ConnectorType"] == "OnPremises"
    if is_out:
        use = "rules" if connector["IsTransportRuleScoped"] else "accepted" if connector["AllAcceptedDomains"] else ""
        routing = "route" if connector["Route"] else "mx" if connector["UseMXRecord"] else "hosts"
        return {**values, "From": RELAY, "To": OWN if is_own else PARTNER, "Use": use, "Routing": routing}
    names = values["TlsSenderCertificateName"].split("\n")
    domains = [re.sub(r"^smtp:|;\d+$", "", each) for each in values["SenderDomains"].split("\n")]
    return {
        **values,
        "From": OWN if is_own else PARTNER,
        "To": RELAY,
        "Identify": "certificate" if names[0] else "addresses",
        "TlsSenderCertificateName": ", ".join(names),
        "SenderDomains": "\n".join(domains),
    }


def parameters_of(draft: Draft) -> dict[str, object]:
    """Return what makes such a connector, by outside name."""
    way = way_of(draft)
    given: dict[str, object] = {"Name": draft.values.get("Name", "").strip(), "ConnectorSource": "AdminUI"}
    if comment := draft.values.get("Comment", "").strip():
        given["Comment"] = comment
    if not draft.is_on("Enabled"):
        given["Enabled"] = False
    if way is Way.OUT:
        return given | _outbound(draft)
    if way is Way.PARTNER_IN:
        return given | _partner(draft)
    return given | _own(draft)


def _chosen(need: Need | None) -> dict[str, str]:
    if need is None:
        return {}
    return {"Need": need.code, "From": need.pair[0], "To": need.pair[1], **need.values}


def _own(draft: Draft) -> dict[str, object]:
    given: dict[str, object] = {"ConnectorType": "OnPremises", "SenderDomains": ["*"]}
    if draft.is_on("CloudServicesMailEnabled"):
        given["CloudServicesMailEnabled"] = True
    if draft.values.get("Identify") == "certificate":
        given |= {"RequireTls": True, "TlsSenderCertificateName": certificate_names(draft)}
        if (authority := draft.values.get("TrustedAuthority", "public")) != "public":
            given["TrustedAuthority"] = authority
    else:
        given["SenderIPAddresses"] = draft.lines("SenderIPAddresses")
        given |= {name: True for name in ("RequireTls", "AllowAuthenticationWithoutTls") if draft.is_on(name)}
    if domains := draft.lines("AssociatedAcceptedDomains"):
        given["AssociatedAcceptedDomains"] = domains
    if rate := draft.values.get("MessagesPerMinute", "").strip():
        given["MessagesPerMinute"] = rate
    if draft.is_on("NeverTwice"):
        given["NeverTwice"] = True
    if (rewriting := draft.values.get("SenderRewriting", "keep")) != "keep":
        given["SenderRewriting"] = rewriting
        if sender := draft.values.get("RewrittenSender", ""):
            given["RewrittenSender"] = sender
        if allowed := draft.lines("AllowedSenders"):
            given["AllowedSenders"] = allowed
    return given


def _partner(draft: Draft) -> dict[str, object]:
    given: dict[str, object] = {"ConnectorType": "Partner", "SenderDomains": draft.lines("SenderDomains")}
    if draft.is_on("RestrictDomainsToCertificate"):
        given |= {"RestrictDomainsToCertificate": True, "TlsSenderCertificateName": certificate_names(draft)}
    if draft.is_on("RestrictDomainsToIPAddresses"):
        given |= {"RestrictDomainsToIPAddresses": True, "SenderIPAddresses": draft.lines("SenderIPAddresses")}
    if draft.is_on("RequireTls") or draft.is_on("RestrictDomainsToCertificate"):
        given["RequireTls"] = True
    return given


def _outbound(draft: Draft) -> dict[str, object]:
    given: dict[str, object] = {"ConnectorType": "OnPremises" if draft.values.get("To") == OWN else "Partner"}
    use = draft.values.get("Use", "")
    if use == "rules":
        given["IsTransportRuleScoped"] = True
    elif use == "accepted":
        given["AllAcceptedDomains"] = True
    else:
        given["RecipientDomains"] = draft.lines("RecipientDomains")
    if draft.values.get("Routing") == "hosts":
        given |= {"UseMXRecord": False, "SmartHosts": draft.lines("SmartHosts")}
    elif draft.values.get("Routing") == "route":
        return given | {"Route": draft.values.get("Route", "")}
    if tls := draft.values.get("TlsSettings", ""):
        given["TlsSettings"] = tls
        if tls == "DomainValidation":
            given["TlsDomain"] = draft.values.get("TlsDomain", "").strip()
    return given
