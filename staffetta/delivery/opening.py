"""Opening a channel: connect, greeting, EHLO, TLS where the policy asks for it (RFC 5321 §3.1, §3.2; RFC 3207 §4)."""

import asyncio
import ipaddress
import os
import socket
from dataclasses import dataclass

from staffetta.delivery.channel import Channel
from staffetta.delivery.tlspolicy import allows_clear, wants_tls
from staffetta.delivery.trouble import HopTrouble, refused_session
from staffetta.mail.outcome import Stage
from staffetta.settings.roads import TlsLevel
from staffetta.smtp.client import ClientSession


@dataclass(frozen=True, slots=True)
class Hop:
    """A host to hand over to, and how. Equal hops may share a connection.

    route: its name; connections of different routes are never shared, since what they prove of us may differ.
    host: a domain name, an IP address without brackets, or the path of a socket in the file system (Dovecot's LMTP).
    """

    route: str
    host: str
    port: int
    tls: TlsLevel
    is_lmtp: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """connect: for each address of a host. reply: for each batch of commands; the final reply may take twice that
    (RFC 5321 §4.5.3.2.6 gives it ten minutes where others have five)."""

    connect_seconds: float
    reply_seconds: float

    @property
    def final_reply_seconds(self) -> float:
        return 2 * self.reply_seconds


async def open_channel(hop: Hop, hostname: str, timeouts: Timeouts) -> Channel:
    """Return a channel that is ready for MAIL. hostname: our name for EHLO. Raises HopTrouble."""
    channel = await _connect_and_greet(hop, hostname, timeouts)
    with channel:
        if not wants_tls(hop.tls, channel.session.capabilities) or await _start_tls(channel, hop, timeouts):
            return channel
    # The handshake failed, and with it the connection; the policy allows clear text, and that needs a new one.
    channel.abort()
    return await _connect_and_greet(hop, hostname, timeouts)


async def _connect_and_greet(hop: Hop, hostname: str, timeouts: Timeouts) -> Channel:
    channel = await _connect(hop, hostname, timeouts)
    with channel:
        greeting = await channel.answered(timeouts.reply_seconds)
        if not greeting.is_positive:
            raise refused_session(greeting, Stage.GREETING)
        await _hello(channel, timeouts)
    return channel


async def _connect(hop: Hop, hostname: str, timeouts: Timeouts) -> Channel:
    """Connect to the first address that answers."""
    if hop.host.startswith("/"):
        return await _connect_to(hop, None, hostname, timeouts)
    trouble = HopTrouble("4.4.1", f"{hop.host} has no address", Stage.CONNECT)
    for address in await _addresses(hop, timeouts):
        try:
            return await _connect_to(hop, address, hostname, timeouts)
        except HopTrouble as error:
            trouble = error
    raise trouble


async def _connect_to(hop: Hop, address: str | None, hostname: str, timeouts: Timeouts) -> Channel:
    """Connect to one address, or to a socket in the file system where that is None. Raises HopTrouble."""
    channel = Channel(ClientSession(hostname, is_lmtp=hop.is_lmtp), hop.host, address)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect_seconds):
            if address is None:
                await loop.create_unix_connection(lambda: channel, hop.host)
            else:
                await loop.create_connection(lambda: channel, address, hop.port)
    except TimeoutError:
        reason = f"no answer within {timeouts.connect_seconds:g} s"
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
    else:
        return channel
    where = f"{hop.host}[{address}]:{hop.port}" if address else hop.host
    raise HopTrouble("4.4.1", f"cannot connect to {where}: {reason}", Stage.CONNECT)


async def _addresses(hop: Hop, timeouts: Timeouts) -> list[str]:
    """An IP address is itself; a name is looked up by the system, in its order."""
    try:
        return [str(ipaddress.ip_address(hop.host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect_seconds):
            found = await loop.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError; UnicodeError: a label is too long for DNS
        reason = getattr(error, "strerror", None) or "no answer"
        raise HopTrouble("4.4.3", f"cannot look up {hop.host}: {reason}", Stage.CONNECT) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _hello(channel: Channel, timeouts: Timeouts) -> None:
    """Say EHLO; HELO where that is refused for good (RFC 5321 §3.2)."""
    session = channel.session
    reply = await channel.exchange(session.hello(), timeouts.reply_seconds)
    if reply.is_permanent and not session.is_lmtp:
        reply = await channel.exchange(session.helo(), timeouts.reply_seconds)
    if not reply.is_positive:
        raise refused_session(reply, Stage.EHLO)


async def _start_tls(channel: Channel, hop: Hop, timeouts: Timeouts) -> bool:
    """Return whether the channel may be used on: in TLS, or in clear where STARTTLS was refused and the policy allows.

    False: the handshake failed, and the policy allows clear text.
    """
    session = channel.session
    if not session.capabilities.starttls:
        raise HopTrouble("4.7.4", f"{hop} does not offer STARTTLS, which the route requires", Stage.TLS)
    reply = await channel.exchange(session.starttls(), timeouts.reply_seconds)
    if not reply.is_positive:
        if session.closing_reply or not allows_clear(hop.tls):
            raise HopTrouble("4.7.4", str(reply), Stage.TLS, is_remote_reply=True)
        return True
    try:
        await channel.start_tls(hop.host, timeouts.reply_seconds)
    except HopTrouble:
        if allows_clear(hop.tls):
            return False
        raise
    await _hello(channel, timeouts)
    return True
