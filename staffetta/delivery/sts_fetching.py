"""Getting a domain's MTA-STS policy from its web server (RFC 8461 §3.3).

The server is a stranger's: no redirects, so many octets, so many seconds, and no addresses that are not public.
"""

import asyncio
import ssl
from urllib.parse import urlsplit

import httpx2

from staffetta.delivery.mtasts import POLICY_OCTETS_MAX, BadPolicy, StsPolicy, read_policy
from staffetta.net.own_addresses import NoPublicAddress, pinned
from staffetta.net.resolver import LookupFailed, Resolver

HTTPS_PORT = 443
WHOLE_SECONDS = 30.0


class PolicyUnavailable(Exception):
    """The policy cannot be had now, or is none. The text says why. result_type: of RFC 8460 §4.3."""

    def __init__(self, text: str, result_type: str = "sts-policy-fetch-error") -> None:
        super().__init__(text)
        self.result_type = result_type


async def fetch_policy(
    client: httpx2.AsyncClient, resolver: Resolver, domain: str, *, port: int = HTTPS_PORT, allows_private: bool = False
) -> StsPolicy:
    """Return the policy that the domain serves now. Raises PolicyUnavailable."""
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            return read_policy(await _fetch(client, resolver, f"mta-sts.{domain}", port, allows_private))
    except (NoPublicAddress, BadPolicy, LookupFailed, httpx2.HTTPError, TimeoutError) as error:
        raise PolicyUnavailable(str(error) or type(error).__name__, _result_type(error)) from None


async def _fetch(client: httpx2.AsyncClient, resolver: Resolver, host: str, port: int, allows_private: bool) -> str:
    """The certificate must be the host's, although an address is what we connect to."""
    named = urlsplit(f"https://{host}:{port}/.well-known/mta-sts.txt")
    url, headers = await pinned(named, resolver, allows_private=allows_private)
    headers |= {"Host": host, "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=headers, extensions={"sni_hostname": host}) as answer:
        if answer.status_code != 200:
            raise PolicyUnavailable(f"{host} answers with {answer.status_code}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "text/plain":
            raise PolicyUnavailable(f"{host} sends {kind or 'no type'}, which must be text/plain")
        octets = b""
        async for piece in answer.aiter_raw():
            octets += piece
            if len(octets) > POLICY_OCTETS_MAX:
                raise PolicyUnavailable(f"{host} sends more than {POLICY_OCTETS_MAX} octets")
    return octets.decode("utf-8", "replace")


def _result_type(error: BaseException) -> str:
    """RFC 8460 §4.3.2.2: it cannot be got, is none, or comes from whom nobody vouches for."""
    if isinstance(error, BadPolicy):
        return "sts-policy-invalid"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "sts-webpki-invalid"
        cause = cause.__cause__ or cause.__context__
    return "sts-policy-fetch-error"
