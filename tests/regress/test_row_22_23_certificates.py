"""Rows 22 and 23: who shows a certificate that only looks like the connector's, or brings another's session, is nobody.

Over sockets, to the answer at RCPT. What is wrong with each certificate is told in the words of
test_certificate_names.py and test_certificate_chains.py; here it counts that nothing gets out. That no session is
taken up again, with a ticket or without, shows test_certificate_handshakes.py.
"""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from staffetta.net.tls import ServerContext, self_signed
from staffetta.settings.objects import InboundConnector, TrustedAuthority
from tests.certificates import CLIENT, CODE_SIGNING, SERVER, Made, authority, make, pem
from tests.reception_sockets.dialog import Client
from tests.regress.relay import INSIDER, OUTSIDER, STRANGER, Running, relay

NAME = "mail.contoso.test"
ROOT = authority("Contoso Root")
NAMESAKE = authority("Contoso Root")
INTERMEDIATE = authority("Contoso Issuing", ROOT)
HOLDER = make("other.contoso.test", issuer=ROOT)
PAIR = self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC))


def named(*alternatives: x509.GeneralName, common_name: str = NAME) -> Made:
    return make(issuer=ROOT, common_name=common_name, alternatives=alternatives)


def dns(text: str) -> x509.DNSName:
    """Whatever the text: cryptography itself would refuse some of it."""
    return x509.DNSName._init_without_validation(text)


GOOD = {
    "the name": make(NAME, issuer=ROOT),
    "the name in capitals": make(NAME.upper(), issuer=ROOT),
    "the common name where there is no other": named(),
    "a certificate of a server": make(NAME, issuer=ROOT, usages=(SERVER,)),
    "a certificate without a usage": make(NAME, issuer=ROOT, usages=()),
    "by an intermediate that is sent": make(NAME, issuer=INTERMEDIATE).sending(INTERMEDIATE),
}
BAD = {
    "CVE-2009-2408: a NUL within the name": named(dns(f"{NAME}\0.evil.example"), common_name=""),
    "CVE-2009-2408: a NUL within the common name": named(common_name=f"{NAME}\0.evil.example"),
    "CVE-2013-4238: a NUL within one of several names": named(dns("x.example"), dns(f"{NAME}\0.x.example")),
    "the common name beside another name": named(dns("evil.example")),
    "a homoglyph as an A-label": make("mail.xn--cntoso-0ve.test", issuer=ROOT),
    "a name that begins alike": make(f"{NAME}.evil.example", issuer=ROOT),
    "a name that ends alike": make(f"evil{NAME}", issuer=ROOT),
    "a wildcard over too much": make("*.test", issuer=ROOT),
    "a wildcard over everything": make("*", issuer=ROOT),
    "a wildcard within a label": make("m*l.contoso.test", issuer=ROOT),
    "the name and a line end": named(dns(f"{NAME}\r\n"), common_name=""),
    "the name and a space": named(dns(f"{NAME} "), common_name=""),
    "the name as an address of mail": named(x509.RFC822Name(f"root@{NAME}"), common_name=""),
    "the name as a resource": named(x509.UniformResourceIdentifier(f"https://{NAME}/"), common_name=""),
    "another name of the same authority": HOLDER,
    "expired": make(NAME, issuer=ROOT, days=(-60, -30)),
    "not yet valid": make(NAME, issuer=ROOT, days=(30, 60)),
    "for signing code": make(NAME, issuer=ROOT, usages=(CODE_SIGNING,)),
    "for clients and of nobody": make(NAME, usages=(CLIENT,)),
    "of an authority of the same name": make(NAME, issuer=NAMESAKE),
    "of that authority, which is sent": make(NAME, issuer=NAMESAKE).sending(NAMESAKE),
    "of that authority, with the right one sent": make(NAME, issuer=NAMESAKE).sending(ROOT),
    "CVE-2002-0862: issued by a leaf": make(NAME, issuer=HOLDER).sending(HOLDER),
    "by an intermediate that is not sent": make(NAME, issuer=INTERMEDIATE),
}


@contextlib.asynccontextmanager
async def by_certificate(folder: Path) -> AsyncIterator[Running]:
    """A relay whose one connector is for NAME, by certificates of ROOT."""
    (folder / "root.pem").write_bytes(pem(ROOT.certificate))
    connector = InboundConnector(name="Hybrid", tls_sender_certificate_name=(NAME,), trusted_authority="contoso")
    async with relay(
        tls=ServerContext.load(*PAIR),
        inbound_connectors=(connector,),
        trusted_authorities=(TrustedAuthority(name="contoso", certificates=folder / "root.pem"),),
    ) as running:
        yield running


def context_of(made: Made, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    written = made.write(folder / "client")
    context.load_cert_chain(written / "certificate.pem", written / "key.pem")
    return context


async def answer_to_relaying(running: Running, context: ssl.SSLContext) -> str:
    """Shake hands as a stranger, and ask to send outside."""
    client: Client = await running.connect(source=STRANGER)
    await client.say("STARTTLS\n")
    await client.writer.start_tls(context)
    answers = await client.say(f"EHLO {NAME}\nMAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\n", 3)
    client.writer.transport.abort()
    return answers[-1]


@pytest.mark.parametrize("which", GOOD)
def test_row_22_the_connectors_certificate_relays(which: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with by_certificate(tmp_path) as running:
            answer = await answer_to_relaying(running, context_of(GOOD[which], tmp_path))
            assert answer.startswith("250"), running.spool.refusals

    asyncio.run(main())


@pytest.mark.parametrize("which", BAD)
def test_row_22_a_certificate_that_only_looks_right_relays_nothing(which: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with by_certificate(tmp_path) as running:
            answer = await answer_to_relaying(running, context_of(BAD[which], tmp_path))
            assert answer.startswith("550 5.7.64 "), answer
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_23_an_identity_is_not_kept_for_the_next_connection(tmp_path: Path) -> None:
    """One address, one after the other: with the certificate, and without."""

    async def main() -> None:
        async with by_certificate(tmp_path) as running:
            assert (await answer_to_relaying(running, context_of(GOOD["the name"], tmp_path))).startswith("250")
            client = await running.connect(source=STRANGER)
            answers = await client.say(f"EHLO {NAME}\nMAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\n", 3)
            assert answers[-1].startswith("550 5.7.64 ")

    asyncio.run(main())
