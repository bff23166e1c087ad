"""Test-AcceptedDomain: what a domain's zone should say for its mail to come here and leave here, beside what it says.

The doctor judges all of this and more for every domain; here it is one domain, asked while somebody edits its zone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from staffetta.directory.store import Kind
from staffetta.mail.sentence import sentence
from staffetta.net.resolver import DnsResolver, LookupFailed
from staffetta.operations.access import found, listed
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.inputs import Input, Output, Said
from staffetta.operations.organizations import mail_endpoint, organization_value
from staffetta.operations.registry import Context, Operation
from staffetta.settings.model import Settings

_TIMEOUT_SECONDS = 5.0
_SPF, _DMARC = "v=spf1", "v=dmarc1"


class RecordStatus(StrEnum):
    """AS_EXPECTED: found is what is expected. OTHER: something else is there. MISSING: nothing. FAILED: no answer."""

    AS_EXPECTED = "AsExpected"
    OTHER = "Other"
    MISSING = "Missing"
    FAILED = "Failed"


class TestAcceptedDomain(Input):
    identity: Annotated[str, Field(description="Domain, or its GUID.")]


class DomainRecord(Output):
    record_type: Annotated[str, Field(description="MX, A/AAAA or TXT.")]
    name: Annotated[str, Field(description="Where it stands.")]
    expected: Annotated[Said, Field(description="What to publish.")]
    found: Annotated[tuple[str, ...], Field(description="What is published now.")]
    status: Annotated[RecordStatus, Field(description="Whether that is what is expected.")]
    meaning: Annotated[Said, Field(description="What follows from it.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    domain: str
    endpoint: str
    hostname: str
    addresses: Sequence[str]


def run(context: Context, given: TestAcceptedDomain) -> Iterable[Output]:
    stored = found(context, Kind.ACCEPTED_DOMAIN, given.identity)
    own = [each.name for each in listed(context, Kind.ACCEPTED_DOMAIN) if each.organization == stored.organization]
    owner = organization_value(context.settings, stored.organization)
    endpoint = mail_endpoint(context.settings, owner, own[0])
    settings = context.settings
    wanted = _Wanted(stored.name, endpoint, settings.hostname.lower(), settings.doctor.public_addresses)
    return asyncio.run(_records(wanted, settings))


async def _records(wanted: _Wanted, settings: Settings) -> Sequence[DomainRecord]:
    timeout = min(settings.dns.timeout_seconds, _TIMEOUT_SECONDS)
    asked = DnsResolver(settings.dns.servers, timeout_seconds=timeout)
    rows = [_mx(asked, wanted), _address(asked, wanted), _spf(asked, wanted), _dmarc(asked, wanted)]
    return await asyncio.gather(*rows)


async def _mx(asked: DnsResolver, wanted: _Wanted) -> DomainRecord:
    expected = f"{wanted.domain}. IN MX 0 {wanted.endpoint}."
    try:
        records = sorted((await asked.mx(wanted.domain)).records, key=lambda each: each.preference)
    except LookupFailed as failure:
        return _failed("MX", wanted.domain, expected, failure)
    ours = {wanted.endpoint.lower(), wanted.hostname}
    texts = tuple(f"{each.preference} {each.host or '.'}" for each in records)
    if not records:
        return _row(
            "MX", wanted.domain, expected, texts, RecordStatus.MISSING, sentence("Nobody knows where its mail goes.")
        )
    if records[0].host in ours:
        return _row("MX", wanted.domain, expected, texts, RecordStatus.AS_EXPECTED, sentence("Its mail comes here."))
    if any(each.host in ours for each in records):
        words = sentence("Its mail comes here only when the hosts before do not answer.")
    else:
        words = sentence("Its mail goes elsewhere, which is right where this relay only sends for it.")
    return _row("MX", wanted.domain, expected, texts, RecordStatus.OTHER, words)


async def _address(asked: DnsResolver, wanted: _Wanted) -> DomainRecord:
    expected = ", ".join(wanted.addresses) or sentence("an address of this relay")
    try:
        four, six = await asked.a(wanted.endpoint), await asked.aaaa(wanted.endpoint)
    except LookupFailed as failure:
        return _failed("A/AAAA", wanted.endpoint, expected, failure)
    texts = (*four.records, *six.records)
    if not texts:
        words = sentence("Clients and senders do not find the relay by this name.")
        return _row("A/AAAA", wanted.endpoint, expected, texts, RecordStatus.MISSING, words)
    if wanted.addresses and not set(texts) & set(wanted.addresses):
        words = sentence("The name leads to another machine than doctor.public_addresses says.")
        return _row("A/AAAA", wanted.endpoint, expected, texts, RecordStatus.OTHER, words)
    return _row(
        "A/AAAA", wanted.endpoint, expected, texts, RecordStatus.AS_EXPECTED, sentence("The name leads to an address.")
    )


async def _spf(asked: DnsResolver, wanted: _Wanted) -> DomainRecord:
    means = " ".join(f"ip{6 if ':' in each else 4}:{each}" for each in wanted.addresses) or "a:" + wanted.hostname
    expected = f"{_SPF} {means} -all"
    try:
        texts = tuple(each for each in (await asked.txt(wanted.domain)).records if each.lower().startswith(_SPF))
    except LookupFailed as failure:
        return _failed("TXT", wanted.domain, expected, failure)
    if not texts:
        words = sentence("Nothing says who may send in its name, so that others take its mail for forged.")
        return _row("TXT", wanted.domain, expected, texts, RecordStatus.MISSING, words)
    if len(texts) > 1:
        words = sentence("Two records are an error (RFC 7208 §3.2): neither counts.")
        return _row("TXT", wanted.domain, expected, texts, RecordStatus.OTHER, words)
    if all(each in texts[0].lower() for each in means.split()):
        return _row("TXT", wanted.domain, expected, texts, RecordStatus.AS_EXPECTED, sentence("It names this relay."))
    words = sentence("It names this relay by none of these words; the doctor tells whether by an include.")
    return _row("TXT", wanted.domain, expected, texts, RecordStatus.OTHER, words)


async def _dmarc(asked: DnsResolver, wanted: _Wanted) -> DomainRecord:
    name, expected = f"_dmarc.{wanted.domain}", f"v=DMARC1; p=none; rua=mailto:postmaster@{wanted.domain}"
    try:
        texts = tuple(each for each in (await asked.txt(name)).records if each.lower().startswith(_DMARC))
    except LookupFailed as failure:
        return _failed("TXT", name, expected, failure)
    if not texts:
        words = sentence("Large providers want one from whoever sends much.")
        return _row("TXT", name, expected, texts, RecordStatus.MISSING, words)
    return _row(
        "TXT", name, expected, texts, RecordStatus.AS_EXPECTED, sentence("It says what becomes of mail that fails.")
    )


def _row(kind: str, name: str, expected: str, texts: tuple[str, ...], status: RecordStatus, words: str) -> DomainRecord:
    return DomainRecord(record_type=kind, name=name, expected=expected, found=texts, status=status, meaning=words)


def _failed(kind: str, name: str, expected: str, failure: LookupFailed) -> DomainRecord:
    return _row(
        kind,
        name,
        expected,
        (),
        RecordStatus.FAILED,
        sentence("The DNS does not answer: {trouble}.", trouble=str(failure)),
    )


OPERATIONS = (
    Operation(
        "Test",
        "AcceptedDomain",
        "Ask the DNS what a domain's zone says of its mail, and show it beside what to publish.",
        TestAcceptedDomain,
        DomainRecord,
        LOOK_INTO,
        run,
        positions=("identity",),
        columns=("record_type", "name", "expected", "found", "status"),
        example="contoso.com",
    ),
)
