"""Authentication: where AUTH is offered, where a client certificate is asked for, and who may log in.

Whether a password or a token is right is not decided here; that takes time and threads.
"""

from staffetta.policy.connector import may_authenticate_in_clear, wants_certificate
from staffetta.policy.decision import Decision, IPAddress, Reason
from staffetta.settings.model import Listener, ListenerKind, Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION, Account
from staffetta.smtp import reply
from staffetta.smtp.auth import NO_OFFER, Offer
from staffetta.smtp.credentials import Mechanism

AUTHENTICATED = Decision(reply.AUTHENTICATED, Reason.ACCEPTED)


def offer(peer: IPAddress, listener: Listener, settings: Settings) -> Offer:
    """What AUTH offers to a peer: on submission listeners in TLS, and wherever a connector's tolerance names it."""
    is_tolerated = may_authenticate_in_clear(peer, settings)
    if listener.kind is not ListenerKind.SUBMISSION and not is_tolerated:
        return NO_OFFER
    has_issuers = bool(settings.token_issuers)
    mechanisms = tuple(each for each in Mechanism if each is not Mechanism.XOAUTH2 or has_issuers)
    return Offer(mechanisms, is_in_clear=is_tolerated)


def asks_for_certificate(listener: Listener, settings: Settings) -> bool:
    """Whether a client is asked for its certificate: where an enabled connector needs one, or the listener says so.

    Where none does, browsers' and phones' libraries are not made to look for one.
    """
    return listener.request_client_certificate or wants_certificate(settings)


def is_switched_off(organization: str, settings: Settings) -> bool:
    """Whether nobody of an organisation can log in. For the default one the file's own key holds as well."""
    if organization == DEFAULT_ORGANIZATION and settings.smtp_client_authentication_disabled:
        return True
    return any(each.smtp_client_authentication_disabled for each in settings.organizations if each.name == organization)


def log_in(account: Account, settings: Settings) -> Decision:
    """Decide about a client that has proved to be this account. Only it hears that the account is switched off."""
    evidence = {"user_name": account.user_name, "organization": account.organization}
    if is_switched_off(account.organization, settings):
        return Decision(reply.AUTHENTICATION_DISABLED_FOR_TENANT, Reason.AUTHENTICATION_DISABLED, evidence)
    if not account.enabled:
        return Decision(reply.AUTHENTICATION_DISABLED_FOR_MAILBOX, Reason.AUTHENTICATION_DISABLED, evidence)
    return AUTHENTICATED
