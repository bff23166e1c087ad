"""Logging in to a next hop (RFC 4954): the credentials of the route, given to nobody who might listen.

Rule 1: never in clear, except where the route says `tls = none` and the hop is on this machine.
Rule 2: what goes wrong is trouble of the route, not of a message: all of its mail would meet the same. It is deferred,
    counted and logged as an error, since only the administrator can mend it.
Rule 3: an access token that is refused is got anew, once; a second refusal stands.
"""

import asyncio
import ipaddress
from typing import Protocol

import structlog

from staffetta import metrics
from staffetta.delivery.channel import Channel
from staffetta.delivery.oauth import TokenUnavailable
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage
from staffetta.settings.roads import Authentication, TlsLevel
from staffetta.settings.secrets import SecretUnavailable, read_secret
from staffetta.smtp.credentials import Credentials, Mechanism, PasswordLogin, TokenLogin
from staffetta.smtp.remote_reply import RemoteReply
from staffetta.smtp.sasl_client import ClientExchange

NOT_ACCEPTED = 535  # RFC 4954 §6
_RESPONSES_MAX = 4  # LOGIN has two, and one more cancels

_log = structlog.get_logger()


class Tokens(Protocol):
    """delivery.oauth.AccessTokens is one."""

    async def token(self, name: str) -> str: ...
    def forget(self, name: str, token: str) -> None: ...


def may_be_in_clear(level: TlsLevel, host: str) -> bool:
    """Whether credentials may go in clear: to this machine, where the route wants no TLS."""
    if level is not TlsLevel.NONE:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("/")


async def log_in(channel: Channel, login: Authentication, route: str, tokens: Tokens, timeout_seconds: float) -> None:
    """Log in, on a channel that is allowed to carry credentials. Raises HopTrouble."""
    mechanism = Mechanism(login.mechanism.upper())
    offered = channel.session.capabilities.auth
    try:
        if mechanism not in offered:
            known = f"offers {', '.join(offered)}" if offered else "offers no AUTH"
            raise HopTrouble("4.7.4", f"the next hop {known}; the route logs in with {mechanism}", Stage.AUTH)
        reply = await _run(channel, mechanism, login, tokens, timeout_seconds)
        if not reply.is_positive:
            raise HopTrouble(_status(reply), str(reply), Stage.AUTH, is_remote_reply=True)
    except HopTrouble as trouble:
        metrics.NEXT_HOP_LOGINS.labels(route, "failed").inc()
        _log.error(
            "login to the next hop failed", route=route, host=channel.host, user=login.user_name, error=str(trouble)
        )
        raise
    metrics.NEXT_HOP_LOGINS.labels(route, "accepted").inc()


async def _run(
    channel: Channel, mechanism: Mechanism, login: Authentication, tokens: Tokens, timeout_seconds: float
) -> RemoteReply:
    """Return the reply that ends it. Raises HopTrouble."""
    credentials = await _credentials(login, tokens)
    reply = await say_credentials(channel, ClientExchange(mechanism, credentials), timeout_seconds)
    if not isinstance(credentials, TokenLogin) or reply.code != NOT_ACCEPTED or login.token_source is None:
        return reply
    tokens.forget(login.token_source, credentials.token)
    again = await _credentials(login, tokens)
    if again == credentials or not channel.is_reusable:
        return reply
    return await say_credentials(channel, ClientExchange(mechanism, again), timeout_seconds)


async def say_credentials(channel: Channel, exchange: ClientExchange, timeout_seconds: float) -> RemoteReply:
    """Run a mechanism to its end, and return the reply that ends it. Raises HopTrouble."""
    session = channel.session
    reply = await channel.exchange(session.auth(exchange.begin()), timeout_seconds)
    for _ in range(_RESPONSES_MAX):
        if not reply.is_intermediate:
            return reply
        reply = await channel.exchange(session.auth(exchange.respond()), timeout_seconds)
    raise HopTrouble("4.5.0", f"the next hop does not end AUTH: {reply}", Stage.AUTH)


async def _credentials(login: Authentication, tokens: Tokens) -> Credentials:
    try:
        if login.token_source is not None:
            return TokenLogin(login.user_name, await tokens.token(login.token_source))
        if login.password is not None:
            return PasswordLogin(login.user_name, (await asyncio.to_thread(read_secret, login.password)).encode())
    except SecretUnavailable as error:
        raise HopTrouble("4.3.5", str(error), Stage.AUTH) from None
    except TokenUnavailable as error:
        raise HopTrouble("4.7.0", str(error), Stage.AUTH) from None
    raise HopTrouble("4.3.5", "the route has neither a password nor a token source to log in with", Stage.AUTH)


def _status(reply: RemoteReply) -> str:
    """Its own code in class 4, since we try again; 4.7.8, "credentials invalid", where it has none."""
    return f"4{reply.enhanced_code[1:]}" if reply.enhanced_code else "4.7.8"
