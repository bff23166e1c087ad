"""Accepted domains: is a domain ours, and does a recipient exist in it."""

import unicodedata

from staffetta.mail.address import Mailbox, unquote
from staffetta.policy.index import index_of
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, DomainType


def accepted_domain(name: str, settings: Settings) -> AcceptedDomain | None:
    """Return the accepted domain that is, or with subdomains covers, this one. name: lower-case A-labels."""
    domains = index_of(settings).domains
    exact = domains.get(name)
    if exact is not None:
        return exact
    parent = name
    while "." in parent:
        parent = parent.partition(".")[2]
        found = domains.get(parent)
        if found is not None and found.include_subdomains:
            return found
    return None


def domain_of_certificate(name: str, settings: Settings) -> AcceptedDomain | None:
    """Return the accepted domain that a name in a certificate belongs to: itself, or the domain right above a host.

    name: lower case. `*.contoso.com` belongs to contoso.com alone.
    """
    base = name.removeprefix("*.")
    domain = accepted_domain(base, settings)
    return domain if domain is not None or base != name else accepted_domain(base.partition(".")[2], settings)


def is_known(mailbox: Mailbox, domain: AcceptedDomain, settings: Settings) -> bool:
    """Whether the recipient exists as far as we can tell. Postmaster always does (RFC 5321 §4.5.1)."""
    if domain.type is not DomainType.AUTHORITATIVE:
        return True
    known = index_of(settings).recipients[domain.name]
    local_part = unquote(mailbox.local_part).lower()
    return "*" in known or local_part in known or local_part == "postmaster"


def is_ambiguous(mailbox: Mailbox) -> bool:
    """Whether some server might read the local part as more than a name.

    As a route to elsewhere: percent hack, bang path, second @. As a program, a file or a list: a leading `|`, `/`, `:`.
    """
    local_part = unquote(mailbox.local_part)
    if not local_part.isascii():
        local_part = unicodedata.normalize("NFKC", local_part)  # some server does this, and then sees a full-width @
    return "%" in local_part or "!" in local_part or "@" in local_part or local_part.startswith(("|", "/", ":"))
