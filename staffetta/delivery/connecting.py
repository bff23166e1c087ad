"""The TCP connection to a next hop: to which address, from which of ours, by which proxy (RFC 1928).

Rule 1: where source addresses are named, mail leaves from them alone: an address of a family that none of them has is
    not tried, since whoever knows us by our address would refuse us.
Rule 2: a host's addresses are not waited for one after the other: a dead one costs a moment (RFC 8305).
Rule 3: through a proxy, names are looked up by the proxy, which may be the only one that can.
Rule 4: where only public addresses may be connected to, it is the address that is looked at, after the look-up.
"""

import asyncio
import ipaddress
import os
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from python_socks import ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy

from staffetta.delivery.channel import Channel
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Stage
from staffetta.net.own_addresses import is_own_address, problem_of_address
from staffetta.settings.secrets import SecretUnavailable, fill_in
from staffetta.smtp.client import ClientSession

PROXY_PORT = 1080  # RFC 1928 §3
NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305 §8


@dataclass(frozen=True, slots=True)
class Way:
    """How to get there.

    host: a domain name, an IP address without brackets, or the path of a socket in the file system (Dovecot's LMTP).
    source_addresses: ours; empty: the system chooses. proxy: `socks5://[USER:PASSWORD@]HOST[:PORT]`, user and password
    by reference. is_public_only: other addresses are not connected to, whatever name leads there.
    """

    host: str
    port: int
    source_addresses: tuple[str, ...] = ()
    proxy: str | None = None
    is_public_only: bool = False


async def connect(
    way: Way, make_session: Callable[[], ClientSession], timeout_seconds: float, addresses: Sequence[str] | None
) -> Channel:
    """Return a channel, nothing said on it yet. addresses: to be tried in this order; None: as the system knows them.

    timeout_seconds: for each address. Raises HopTrouble.
    """
    if way.host.startswith("/"):
        return await _connect_to(way, None, make_session(), timeout_seconds)
    if addresses is None:
        addresses = [way.host] if way.proxy else await _addresses(way, timeout_seconds)
    if way.is_public_only:
        addresses = _public(way, addresses)
    if not addresses:
        raise HopTrouble("4.4.1", f"{way.host} has no address", Stage.CONNECT)
    if len(addresses) == 1:
        return await _connect_to(way, addresses[0], make_session(), timeout_seconds)
    return await _race(addresses, lambda address: _connect_to(way, address, make_session(), timeout_seconds))


async def _race(addresses: Sequence[str], attempt: Callable[[str], Coroutine[None, None, Channel]]) -> Channel:
    """Start with the next address when the last one fails, or has not answered for a moment; the first one wins.

    RFC 8305 §5. Raises the last one's HopTrouble.
    """
    waiting = deque(addresses)
    running: set[asyncio.Task[Channel]] = set()
    won: list[Channel] = []
    troubles: list[HopTrouble] = []
    try:
        while not won and (waiting or running):
            if waiting:
                running.add(asyncio.create_task(attempt(waiting.popleft())))
            wait_seconds = NEXT_ADDRESS_SECONDS if waiting else None
            done, running = await asyncio.wait(running, timeout=wait_seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    won.append(task.result())
                except HopTrouble as trouble:
                    troubles.append(trouble)
    finally:
        for task in running:
            task.cancel()
        late = await asyncio.gather(*running, return_exceptions=True)
        for channel in (*won[1:], *(each for each in late if isinstance(each, Channel))):
            channel.abort()
    if won:
        return won[0]
    raise troubles[-1]


async def _connect_to(way: Way, address: str | None, session: ClientSession, timeout_seconds: float) -> Channel:
    """Connect to one address, or to a socket in the file system where that is None. Raises HopTrouble."""
    channel = Channel(session, way.host, address)
    where = f"{way.host}[{address}]:{way.port}" if address else way.host
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_seconds):
            if address is None:
                await loop.create_unix_connection(lambda: channel, way.host)
            elif way.proxy is not None:
                where = f"{way.host}:{way.port} by the proxy {_shown(way.proxy)}"
                reached = await _through_proxy(way.proxy, address, way, timeout_seconds)
                await loop.create_connection(lambda: channel, sock=reached)
            else:
                await loop.create_connection(lambda: channel, address, way.port, local_addr=_source(way, address))
    except asyncio.CancelledError:
        channel.abort()  # another address was faster
        raise
    except (TimeoutError, ProxyTimeoutError):
        reason = f"no answer within {timeout_seconds:g} s"
    except (ProxyError, SecretUnavailable) as error:
        reason = str(error)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        if source := way.source_addresses:
            reason = f"{reason} (from {' or '.join(source)})"
    else:
        return channel
    raise HopTrouble("4.4.1", f"cannot connect to {where}: {reason}", Stage.CONNECT)


def _source(way: Way, address: str) -> tuple[str, int] | None:
    """Ours to connect from. Raises OSError where none of ours is of the family."""
    if not way.source_addresses:
        return None
    version = ipaddress.ip_address(address).version
    for source in way.source_addresses:
        if ipaddress.ip_address(source).version == version:
            return source, 0
    raise OSError(f"the route has no source address for IPv{version}")


async def _through_proxy(proxy: str, address: str, way: Way, timeout_seconds: float) -> socket.socket:
    """Raises ProxyError, OSError, SecretUnavailable."""
    url = urlsplit(proxy)
    made = Proxy(
        ProxyType.SOCKS5,
        host=url.hostname or "",
        port=url.port or PROXY_PORT,
        username=fill_in(url.username) if url.username is not None else None,
        password=fill_in(url.password) if url.password is not None else None,
        rdns=True,
    )
    own = _source(way, url.hostname or "") if way.source_addresses else None
    return await made.connect(address, way.port, timeout=timeout_seconds, local_addr=own)


def _shown(proxy: str) -> str:
    """Without user and password."""
    url = urlsplit(proxy)
    return f"{url.hostname}:{url.port or PROXY_PORT}"


def _public(way: Way, addresses: Sequence[str]) -> list[str]:
    """Those that the route allows. Raises HopTrouble where it allows none."""
    problems = {address: problem_of_address(address, is_own_address) for address in addresses}
    public = [address for address, problem in problems.items() if problem is None]
    if problems and not public:
        told = ", ".join(f"{address} ({problem})" for address, problem in problems.items())
        raise HopTrouble(
            "4.4.4", f"{way.host} has no public address, and the route allows no other: {told}", Stage.CONNECT
        )
    return public


async def _addresses(way: Way, timeout_seconds: float) -> list[str]:
    """An IP address is itself; a name is looked up by the system, in its order."""
    try:
        return [str(ipaddress.ip_address(way.host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_seconds):
            found = await loop.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError; UnicodeError: a label is too long for DNS
        reason = getattr(error, "strerror", None) or "no answer"
        raise HopTrouble("4.4.3", f"cannot look up {way.host}: {reason}", Stage.CONNECT) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
