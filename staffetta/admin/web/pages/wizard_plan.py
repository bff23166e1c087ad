"""The wizard's words and order: needs, the classic pair of From and To, the steps of each way, and what they come to.

Rule: this is a projection of New-InboundConnector and New-OutboundConnector; whether a value is right they say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from staffetta.admin.web.drafts import Draft
from staffetta.admin.web.languages import N_

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
        N_("This relay to Microsoft 365"),
        N_("An outbound connector here, and the commands for the inbound one in Exchange."),
        (RELAY, OWN),
        {"Routing": "hosts", "TlsSettings": "DomainValidation", "TlsDomain": "mail.protection.outlook.com"},
    ),
    Need(
        "smarthost",
        N_("This relay to another server, for some domains or for all"),
        N_("An outbound connector with smart hosts, or by the mail exchangers."),
        (RELAY, PARTNER),
        {"Routing": "hosts"},
    ),
    Need(
        "partner",
        N_("A partner's mail, only from where it should come"),
        N_("It lets nobody relay; it refuses mail of their domains from elsewhere or without TLS."),
        (PARTNER, RELAY),
        {"RequireTls": "true"},
    ),
)
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
    texts=("SenderRewriting", "RewrittenSender", "AllowedSenders", "AssociatedAcceptedDomains"),
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
    "routing", N_("Routing and security"), texts=("Routing", "TlsSettings", "TlsDomain"), lists=("SmartHosts",)
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
    """Return the steps of this draft; before anything is chosen, those of the usual way."""
    return _STEPS[way_of(draft) or Way.OWN_IN]


def cmdlet_of(draft: Draft) -> str:
    return "New-OutboundConnector" if way_of(draft) is Way.OUT else "New-InboundConnector"


def parameters_of(draft: Draft) -> dict[str, object]:
    """Return what the cmdlet is given."""
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
        given |= {"RequireTls": True, "TlsSenderCertificateName": draft.lines("TlsSenderCertificateName")}
        if (authority := draft.values.get("TrustedAuthority", "public")) != "public":
            given["TrustedAuthority"] = authority
    else:
        given["SenderIPAddresses"] = draft.lines("SenderIPAddresses")
        given |= {name: True for name in ("RequireTls", "AllowAuthenticationWithoutTls") if draft.is_on(name)}
    if domains := draft.lines("AssociatedAcceptedDomains"):
        given["AssociatedAcceptedDomains"] = domains
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
        names = draft.lines("TlsSenderCertificateName")
        given |= {"RestrictDomainsToCertificate": True, "TlsSenderCertificateName": names}
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
    if tls := draft.values.get("TlsSettings", ""):
        given["TlsSettings"] = tls
        if tls == "DomainValidation":
            given["TlsDomain"] = draft.values.get("TlsDomain", "").strip()
    return given
