"""Header analysis as an operation: headers in, pasted or of a message that waits, hops and findings out.

Nothing leaves this machine but questions to the DNS, for the keys of signatures; with Offline these neither.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from staffetta.analyzer.fields import NotHeaders, text_of
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import Report, analyze
from staffetta.analyzer.source import READ_OCTETS_MAX
from staffetta.analyzer.words import secured, sending_host
from staffetta.operations.duties import TRACE
from staffetta.operations.errors import BadParameter, BadValue
from staffetta.operations.inputs import Input, MultiValued, Output, Switch
from staffetta.operations.message_content import content_of
from staffetta.operations.recomputing import recomputed
from staffetta.operations.registry import Context, Operation

_CHARACTERS_MAX = 1024 * 1024


class GetHeaderAnalysis(Input):
    headers: Annotated[
        str | None,
        Field(
            description="Headers or a whole message, as text, however pasted.", min_length=1, max_length=_CHARACTERS_MAX
        ),
    ] = None
    identity: Annotated[
        str | None,
        Field(
            description="Instead of headers, a message that waits: queue id or trace id. It needs a role that may read "
            "mail, and is written down."
        ),
    ] = None
    trusted_hosts: Annotated[
        MultiValued | None,
        Field(
            description="Hosts whose Authentication-Results count, such as `mx.contoso.com` or `*.contoso.com`; left "
            "out, those of the setting `header_analysis.trusted_hosts`."
        ),
    ] = None
    offline: Annotated[
        Switch, Field(description="Ask not even the DNS, so that signatures are not computed again.")
    ] = False


class HeaderHop(Output):
    hop: Annotated[int, Field(description="From 1, where the message began.")]
    sent_by: Annotated[str, Field(description="The host that sent to this hop, with its address.")]
    received_by: Annotated[str, Field(description="The host that took it.")]
    protocol: Annotated[str, Field(description="The protocol.")]
    tls: Annotated[str, Field(description="Version and cipher; empty where the hop tells of no TLS.")]
    via: Annotated[str | None, Field(description="The link, such as `Frontend Transport`.")]
    recipient: Annotated[str | None, Field(description="The recipient that the hop names.")]
    id: Annotated[str | None, Field(description="The hop's own id for the message.")]
    time: Annotated[datetime | None, Field(description="When it was received, UTC.")]
    delay_seconds: Annotated[
        float | None, Field(description="Since the hop before; None for the first, and for a wrong clock.")
    ]
    percent: Annotated[float | None, Field(description="Share of the whole time.")]
    clock_offset_seconds: Annotated[float | None, Field(description="How far the clock is off, where it is.")]
    subject: Annotated[str | None, Field(description="The message's subject.")]
    message_id: Annotated[str | None, Field(description="The Message-ID field.")]
    findings: Annotated[
        tuple[str, ...], Field(description="What the headers mean, as `severity: sentence (field; reference)`.")
    ]


def report_of(context: Context, given: GetHeaderAnalysis) -> Report:
    """Return the whole analysis, of which the rows are a part. Raises OperationError."""
    octets = _octets(context, given)
    trusted = context.settings.header_analysis.trusted_hosts
    if given.trusted_hosts is not None:
        trusted = given.trusted_hosts.applied_to(trusted)
    try:
        text = text_of(octets) if given.headers is None else given.headers
        return analyze(text, trusted, recomputed(octets, context.settings.dns, offline=given.offline))
    except NotHeaders as error:
        raise BadValue(str(error), parameter="Headers") from None


def get(context: Context, given: GetHeaderAnalysis) -> Iterable[Output]:
    report = report_of(context, given)
    findings = tuple(f"{each.severity}: {each.text} ({each.field}; {each.reference})" for each in report.findings)
    if not report.hops:
        context.warnings.extend(findings)
    return [_row(hop, report.summary.subject, report.summary.message_id, findings) for hop in report.hops]


def _octets(context: Context, given: GetHeaderAnalysis) -> bytes:
    if (given.headers is None) == (given.identity is None):
        raise BadParameter("Give one of Headers and Identity.", parameter="Headers")
    if given.identity is not None:
        return content_of(context, given.identity, "Get-HeaderAnalysis", READ_OCTETS_MAX)
    return (given.headers or "").encode("utf-8", "replace")


def _row(hop: Hop, subject: str | None, message_id: str | None, findings: tuple[str, ...]) -> HeaderHop:
    received = hop.received
    return HeaderHop(
        hop=hop.number,
        sent_by=sending_host(received),
        received_by=received.by_name or received.by_comment or "",
        protocol=received.with_protocol or "",
        tls=secured(received.tls),
        via=received.via,
        recipient=received.for_address,
        id=received.id,
        time=received.at,
        delay_seconds=hop.delay_seconds,
        percent=None if hop.share is None else round(100 * hop.share, 1),
        clock_offset_seconds=hop.clock_offset_seconds,
        subject=subject,
        message_id=message_id,
        findings=findings,
    )


OPERATIONS = (
    Operation(
        "Get",
        "HeaderAnalysis",
        "Show the hops of a message by its headers, one row per hop, with what the headers mean.",
        GetHeaderAnalysis,
        HeaderHop,
        TRACE,
        get,
        positions=("headers",),
        columns=("hop", "sent_by", "received_by", "protocol", "time", "delay_seconds"),
        example="'Received: from app (10.1.2.3) by relay.contoso.com with ESMTP; Fri, 3 Sep 2021 00:42:11 +0000'",
    ),
)
