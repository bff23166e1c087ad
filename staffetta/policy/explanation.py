"""From a refusal's reason and evidence: what we saw, why each connector did not match, and what to change.

Commands are Exchange's, as `staffetta shell` takes them. What a client chose stands in them quoted, so that pasting one
does what it says and nothing else.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from staffetta.mail.sentence import sentence
from staffetta.policy.decision import Reason
from staffetta.policy.evidence import CONNECTOR_KEY
from staffetta.policy.identity import Condition
from staffetta.settings.objects import DEFAULT_ORGANIZATION

_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")  # PowerShell ends a text at any of these


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would let the mail in.

    command: None where no command does it. target: the name of the object that it changes; None: it makes one.
    """

    words: str
    command: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """summary: why, in a sentence. seen: (what, value). connectors: (name, why not), the nearest first.

    changes: any one of them may be right; whether the mail should come in is the administrator's to know.
    """

    summary: str
    seen: tuple[tuple[str, str], ...]
    connectors: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    evidence: Mapping[str, object]
    sender: str | None
    recipient: str | None

    def text(self, key: str) -> str:
        value = self.evidence.get(key)
        return "" if value is None else str(value)

    @property
    def sender_domain(self) -> str:
        return self.text("sender_domain")

    @property
    def organization(self) -> str | None:
        """None for the default one, of which nobody needs to know while it is alone."""
        return self.text("organization") if self.text("organization") not in ("", DEFAULT_ORGANIZATION) else None

    @property
    def certificate_name(self) -> str:
        """The first name of the certificate; empty where there is none."""
        return self.text("certificate_names").partition(",")[0]


def explain(reason: str, evidence: Mapping[str, object], *, sender: str | None, recipient: str | None) -> Explanation:
    """Explain a refusal. reason: the value of a Reason, or of one that is no more. sender, recipient: as refused."""
    case = _Case(evidence, sender, recipient)
    summary, changes = _OF_REASON.get(reason, _otherwise)(case)
    connectors = [
        (key.removeprefix(CONNECTOR_KEY), str(words))
        for key, words in evidence.items()
        if key.startswith(CONNECTOR_KEY)
    ]
    nearest = case.text("nearest_connector")
    connectors.sort(key=lambda each: each[0] != nearest)
    return Explanation(
        summary or sentence("It was refused: {reason}.", reason=reason),
        tuple(_seen(case)),
        tuple(connectors),
        tuple(changes),
    )


_Explained = tuple[str, list[Change]]

_SEEN = {
    "peer": sentence("client's address"),
    "account": sentence("logged in as"),
    "user_name": sentence("user name"),
    "mechanism": sentence("mechanism"),
    "certificate_names": sentence("certificate's names"),
    "certificate_subject": sentence("certificate's subject"),
    "certificate_issuer": sentence("certificate's issuer"),
    "certificate_fingerprint": sentence("certificate's SHA-256"),
    "organization": sentence("organisation"),
    "connector": sentence("connector matched"),
    "partner": sentence("partner connector"),
    "trouble": sentence("trouble"),
    "line": sentence("line"),
    "received": sentence("Received fields"),
}


def _seen(case: _Case) -> Iterator[tuple[str, str]]:
    for key, label in _SEEN.items():
        if case.evidence.get(key) is not None and (key != "organization" or case.organization is not None):
            yield label, case.text(key) or sentence("(none)")
    if "is_tls" in case.evidence:
        yield "TLS", sentence("yes") if case.evidence["is_tls"] else sentence("no")
    if case.sender is not None:
        yield sentence("sender"), _address(case.sender, case.evidence.get("sender_domain_accepted"))
    if case.recipient is not None:
        yield sentence("recipient"), _address(case.recipient, case.evidence.get("recipient_domain_accepted"))


def _address(address: str, is_accepted: object) -> str:
    shown = address or "<>"
    if is_accepted is True:
        return sentence("{address}, whose domain is accepted here", address=shown)
    if is_accepted is False:
        return sentence("{address}, whose domain is not accepted here", address=shown)
    return shown


def _relay_denied(case: _Case) -> _Explained:
    if case.evidence.get("recipient_address_literal"):
        return sentence("Mail to an address literal, a recipient at [an IP address], is not relayed."), []
    if case.evidence.get("may_relay"):
        words = sentence("Set default_route in the settings file to the route that mail to the outside takes.")
        return sentence("The client may relay, but there is no road to the outside."), [Change(words)]
    summary = sentence(
        "The recipient's domain is not accepted here, and no OnPremises connector lets this client relay."
    )
    changes = [*_to_match_nearest(case), *_new_connector(case)]
    if case.evidence.get("sender_domain_accepted") is False:
        changes.append(_sender_change(case))
    changes.append(
        _accept(case, case.text("recipient_domain"), sentence("If its recipients are yours, take mail for the domain."))
    )
    return summary, changes


def _sender_not_accepted(case: _Case) -> _Explained:
    connector = case.text("connector")
    if case.sender_domain:
        summary = sentence(
            "Connector {connector} lets this client in, but the sender's domain, {domain}, is not accepted here; only "
            "own senders are relayed by address.",
            connector=connector,
            domain=case.sender_domain,
        )
        rewriting = sentence(
            "Have the connector put a sender of yours in its place: SenderRewriting and RewrittenSender."
        )
        return summary, [_sender_change(case), Change(rewriting, None, connector)]
    summary = sentence(
        "Connector {connector} lets this client in, but the null sender <> has no domain that could be accepted.",
        connector=connector,
    )
    return summary, [_sender_change(case)]


def _certificate_domain_not_accepted(case: _Case) -> _Explained:
    name = case.certificate_name
    domain = name.removeprefix("*.") if name.startswith("*.") else name.partition(".")[2]
    summary = sentence(
        "Connector {connector} takes the certificate, but neither its domain nor the sender's is accepted here.",
        connector=case.text("connector"),
    )
    words = sentence("Accept the certificate's domain, if it is yours.")
    return summary, [_accept(case, domain, words), _sender_change(case)]


def _blocked(case: _Case) -> _Explained:
    connector = case.text("partner") or case.text("connector")
    command = f"Remove-BlockedConnector -ConnectorId {quoted(connector)}"
    return sentence("Connector {connector} is blocked.", connector=connector), [
        Change(sentence("Find out who misused it, then unblock it."), command, connector)
    ]


def _recipient_unknown(case: _Case) -> _Explained:
    domain, local_part = case.text("domain"), (case.recipient or "").rpartition("@")[0]
    add = f"Set-AcceptedDomain -Identity {quoted(domain)} -Recipients @{{Add={quoted(local_part)}}}"
    relay = f"Set-AcceptedDomain -Identity {quoted(domain)} -DomainType InternalRelay"
    return sentence("{domain} is Authoritative, and this recipient does not exist in it.", domain=domain), [
        Change(sentence("Add the recipient."), add, domain),
        Change(sentence("If more recipients exist elsewhere, say so."), relay, domain),
    ]


def _direct_send(case: _Case) -> _Explained:
    summary = sentence(
        "The sender's domain, {domain}, is ours, no connector names this client, and the organisation rejects Direct "
        "Send.",
        domain=case.sender_domain,
    )
    off = f"Set-OrganizationConfig -RejectDirectSend $false{_owned(case)}"
    return summary, [
        *_to_match_nearest(case),
        *_new_connector(case),
        Change(sentence("Let everybody use your domains as a sender to your recipients."), off),
    ]


def _partner_restricted(case: _Case) -> _Explained:
    summary = sentence(
        "Partner connector {partner} takes this sender from its own hosts alone.", partner=case.text("partner")
    )
    return summary, [*_to_match_nearest(case)]


def _not_authenticated(case: _Case) -> _Explained:
    return sentence("This listener is for clients that log in, and this one did not."), [
        Change(sentence("Give the client a user name and password, and let it use STARTTLS or port 465.")),
        Change(
            sentence("A client that cannot log in uses a relay listener (port 25), and a connector names its address.")
        ),
    ]


def _send_as_denied(case: _Case) -> _Explained:
    account, sender = case.text("account"), case.text("sender")
    summary = sentence(
        "Account {account} may not send as {sender}, which stands in {field}.",
        account=account,
        sender=sender or sentence("(nobody)"),
        field=case.text("sender_field"),
    )
    command = f"Set-SmtpAccount -Identity {quoted(account)} -SendAs @{{Add={quoted(sender)}}}"
    allow = [Change(sentence("Allow the sender."), command, account)] if "@" in sender else []
    return summary, [*allow, Change(sentence("Set the client to send as {account}.", account=account))]


def _tls_required(case: _Case) -> _Explained:
    connector = case.text("connector")
    command = f"Set-InboundConnector -Identity {quoted(connector)} -RequireTls $false"
    return sentence("Connector {connector} requires TLS, and the client sent in clear.", connector=connector), [
        Change(sentence("Switch STARTTLS on at the client.")),
        Change(sentence("Let this connector's clients send in clear."), command, connector),
    ]


def _ambiguous(case: _Case) -> _Explained:
    words = sentence("Write the recipient without %, !, a second @, and without |, / or : at its beginning.")
    summary = sentence("Some server might read the recipient as a route to elsewhere, a program, a file or a list.")
    return summary, [Change(words)]


def _authentication_failed(case: _Case) -> _Explained:
    name = case.text("user_name")
    new = f"New-SmtpAccountPassword -Identity {quoted(name)}"
    return sentence("{name} could not log in: {cause}.", name=name, cause=case.text("cause")), [
        Change(sentence("Set the client's user name and password again.")),
        Change(sentence("Make a new password for the account, which is shown once."), new),
    ]


def _authentication_disabled(case: _Case) -> _Explained:
    name = case.text("user_name")
    on = f"Set-SmtpAccount -Identity {quoted(name)} -Enabled $true"
    for_all = f"Set-TransportConfig -SmtpClientAuthenticationDisabled $false{_owned(case)}"
    return sentence("The password of {name} is right, but logging in is switched off.", name=name), [
        Change(sentence("Where it is off for this account, switch it on."), on, name),
        Change(sentence("Where it is off for the whole organisation, switch it on."), for_all),
    ]


def _authentication_unavailable(case: _Case) -> _Explained:
    return sentence("Nobody's credentials could be checked: {cause}.", cause=case.text("cause")), []


def _too_many_guesses(case: _Case) -> _Explained:
    words = sentence("Wait; if it is a device of yours, set its password again, and it is let in by and by.")
    name = case.text("user_name")
    summary = sentence("Too many wrong passwords came for {name}, or from this address.", name=name)
    return summary, [Change(words)]


def _otherwise(case: _Case) -> _Explained:
    return "", []


_OF_REASON: Mapping[str, Callable[[_Case], _Explained]] = {
    Reason.RELAY_DENIED: _relay_denied,
    Reason.SENDER_DOMAIN_NOT_ACCEPTED: _sender_not_accepted,
    Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED: _certificate_domain_not_accepted,
    Reason.CONNECTOR_BLOCKED: _blocked,
    Reason.RECIPIENT_UNKNOWN: _recipient_unknown,
    Reason.DIRECT_SEND_REJECTED: _direct_send,
    Reason.PARTNER_RESTRICTED: _partner_restricted,
    Reason.NOT_AUTHENTICATED: _not_authenticated,
    Reason.SEND_AS_DENIED: _send_as_denied,
    Reason.TLS_REQUIRED: _tls_required,
    Reason.AMBIGUOUS_ADDRESS: _ambiguous,
    Reason.AUTHENTICATION_FAILED: _authentication_failed,
    Reason.AUTHENTICATION_DISABLED: _authentication_disabled,
    Reason.AUTHENTICATION_UNAVAILABLE: _authentication_unavailable,
    Reason.TOO_MANY_GUESSES: _too_many_guesses,
}


def _to_match_nearest(case: _Case) -> Iterator[Change]:
    """What would meet the condition that failed first at the nearest connector."""
    name = case.text("nearest_connector")
    for words, parameters in _to_match(case, name) if name else ():
        command = f"Set-InboundConnector -Identity {quoted(name)} {parameters}" if parameters else None
        yield Change(words, command, name)


def _to_match(case: _Case, name: str) -> Iterator[tuple[str, str | None]]:
    """Words, and the parameters of Set-InboundConnector."""
    match case.text("nearest_condition"):
        case Condition.SWITCHED_ON:
            yield sentence("Switch {name} on.", name=name), "-Enabled $true"
        case Condition.ACCOUNT if case.text("account"):
            yield sentence("Let {name} take this account.", name=name), f"-SenderAccounts {_add(case.text('account'))}"
        case Condition.ACCOUNT:
            yield sentence("Let the client log in, as one of the accounts of {name}.", name=name), None
        case Condition.NOT_LOGGED_IN:
            yield sentence("Let the client send without logging in, as {name} expects.", name=name), None
        case Condition.CERTIFICATE_PRESENTED:
            words = sentence("Let the client use STARTTLS and send the certificate that {name} asks for.", name=name)
            yield words, None
        case Condition.CERTIFICATE_NAME if case.certificate_name:
            added = _add(case.certificate_name)
            words = sentence("Let {name} take this certificate's name.", name=name)
            yield words, f"-TlsSenderCertificateName {added}"
        case Condition.CERTIFICATE_TRUST | Condition.CERTIFICATE_NAME:
            yield (
                sentence("Mend what is said of the certificate: renew it, or let the client send its issuers' too."),
                None,
            )
            pin = f"-TlsSenderCertificateFingerprints {_add(case.text('certificate_fingerprint'))}"
            yield sentence("Let {name} take this very certificate, whoever issued it.", name=name), pin
        case Condition.ADDRESS:
            added = _add(case.text("peer"))
            words = sentence("Let {name} take this address, if the host is yours.", name=name)
            yield words, f"-SenderIPAddresses {added}"
        case Condition.SENDER_DOMAIN if case.sender_domain:
            yield sentence("Let {name} take this domain.", name=name), f"-SenderDomains {_add(case.sender_domain)}"
        case Condition.ASSOCIATED_DOMAIN if case.sender_domain:
            added = _add(case.sender_domain)
            yield sentence("Let {name} take this domain.", name=name), f"-AssociatedAcceptedDomains {added}"


def _new_connector(case: _Case) -> Iterator[Change]:
    if peer := case.text("peer"):
        command = (
            f"New-InboundConnector -Name {quoted(f'Relay from {peer}')} -ConnectorType OnPremises -SenderDomains '*' "
            f"-SenderIPAddresses {quoted(peer)}{_owned(case)}"
        )
        yield Change(sentence("Make a connector for this host, if it is yours."), command)


def _sender_change(case: _Case) -> Change:
    if not case.sender_domain:
        return Change(
            sentence("Let the client send with a sender of yours, or by a certificate whose domain is accepted here.")
        )
    words = sentence("The sender's domain must be accepted here, too; accept it, if it is yours.")
    return _accept(case, case.sender_domain, words)


def _accept(case: _Case, domain: str, words: str) -> Change:
    command = f"New-AcceptedDomain -Name {quoted(domain)} -DomainType InternalRelay{_owned(case)}"
    return Change(words, command if domain and not domain.startswith("[") else None)


def _owned(case: _Case) -> str:
    return f" -Organization {quoted(case.organization)}" if case.organization is not None else ""


def _add(value: str) -> str:
    return f"@{{Add={quoted(value)}}}"


def quoted(text: str) -> str:
    """Return a text of PowerShell that stands for itself."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return "'" + _QUOTES.sub(r"\1\1", shown) + "'"
