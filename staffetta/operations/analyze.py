"""Header analysis as an operation: pasted headers in, hops and findings out. Nothing leaves this machine."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import analyze
from staffetta.analyzer.words import secured, sending_host
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation

_CHARACTERS_MAX = 1024 * 1024


class GetHeaderAnalysis(Input):
    headers: Annotated[
        str,
        Field(
            description="Headers or a whole message, as text, however pasted.", min_length=1, max_length=_CHARACTERS_MAX
        ),
    ]
    trusted_hosts: Annotated[
        tuple[str, ...] | None,
        Field(description="Hosts whose Authentication-Results count, such as `mx.contoso.com` or `*.contoso.com`."),
    ] = None


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


def get(context: Context, given: GetHeaderAnalysis) -> Iterable[Output]:
    try:
        report = analyze(given.headers, trusted_hosts=given.trusted_hosts or ())
    except NotHeaders as error:
        raise BadValue(str(error), parameter="Headers") from None
    findings = tuple(f"{each.severity}: {each.text} ({each.field}; {each.reference})" for each in report.findings)
    if not report.hops:
        context.warnings.extend(findings)
    return [_row(hop, report.summary.subject, report.summary.message_id, findings) for hop in report.hops]


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
        LOOK_INTO,
        get,
        positions=("headers",),
        columns=("hop", "sent_by", "received_by", "protocol", "time", "delay_seconds"),
        example="'Received: from app (10.1.2.3) by relay.contoso.com with ESMTP; Fri, 3 Sep 2021 00:42:11 +0000'",
    ),
)
