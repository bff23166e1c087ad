"""By how much our clock is ahead of others': asked of a time server (SNTP, RFC 5905 §14), or read from a greeting."""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import cast

from staffetta.settings.outbound import smart_host

_PORT = 123
_WAIT_SECONDS = 3.0
_EPOCH = 2_208_988_800  # from 1900, where NTP counts from, to 1970
_ERA = 2**32
_CLIENT_4 = 0x23  # version 4, mode client
_PACKET = struct.Struct("!B47x")
_ANSWER = struct.Struct("!B3x 36x Q")  # the transmit timestamp stands last


async def ahead_of(text: str, now: Callable[[], float] = time.time) -> float | None:
    """Ask a time server and return by how many seconds we are ahead; None: no answer.

    text: as in doctor.time_server.
    """
    hop = smart_host(text)
    port = hop.port if text.rstrip("]").endswith(f":{hop.port}") else _PORT
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Question(answer), remote_addr=(hop.host, port)
        )
    except OSError:
        return None
    try:
        sent_at = now()
        async with asyncio.timeout(_WAIT_SECONDS):
            octets = await answer
        middle = (sent_at + now()) / 2
    except (TimeoutError, OSError):
        return None
    finally:
        transport.close()
    if len(octets) < _ANSWER.size:
        return None
    _, stamp = _ANSWER.unpack_from(octets)
    ahead = (middle + _EPOCH - stamp / 2**32) % _ERA  # the count begins anew in 2036
    return float(ahead if ahead < _ERA / 2 else ahead - _ERA)


class _Question(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.DatagramTransport, transport).sendto(_PACKET.pack(_CLIENT_4))

    def datagram_received(self, data: bytes, address: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
