"""Validate-OutboundConnector: a connector's road is tried as mail would take it, each next hop, then a test mail."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.delivery.validation import Trial, validate
from staffetta.directory.store import Kind
from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.operations.access import found
from staffetta.operations.duties import CHANGE
from staffetta.operations.errors import BadValue
from staffetta.operations.inputs import Input, MultiValued, Output, Switch
from staffetta.operations.outbound_connectors import value_of
from staffetta.operations.registry import Context, Operation
from staffetta.policy.domain import accepted_domain
from staffetta.settings.objects import OutboundConnector
from staffetta.settings.outbound import find_route


class ValidateOutboundConnector(Input):
    identity: Annotated[str, Field(description="Name or GUID of the connector.")]
    recipients: Annotated[MultiValued, Field(description="Who gets the test mail.")]
    from_: Annotated[
        str | None, Field(description="Whose test mail it is; left out, the postmaster of the first accepted domain.")
    ] = None
    skip_test_mail: Annotated[
        Switch, Field(description="Send none: only ask each next hop whether it would take the recipients.")
    ] = False


class ValidationRow(Output):
    task_name: Annotated[str, Field(description="What was tried.")]
    is_task_successful: Annotated[bool, Field(description="Whether it went well.")]
    detail: Annotated[str, Field(description="What came of it, in a line; a reply stands as it came.")]
    transcript: Annotated[str, Field(description="All that was said; credentials and content are left out.")]


def run(context: Context, given: ValidateOutboundConnector) -> Iterable[Output]:
    connector = value_of(found(context, Kind.OUTBOUND_CONNECTOR, given.identity))
    recipients = tuple(_mailbox(text, "Recipients") for text in given.recipients.applied_to(()))
    if not recipients:
        raise BadValue("Name at least one recipient: -Recipients somebody@fabrikam.com.", parameter="Recipients")
    road = find_route(context.settings, connector.name)
    assert road is not None  # or the connector would have been refused
    trial = Trial(road, _sender(context, given.from_, connector), recipients, sends=not given.skip_test_mail)
    steps = asyncio.run(validate(trial, context.settings))
    if all(step.is_successful for step in steps):
        context.warnings.append(
            f"To write it down: Set-OutboundConnector '{connector.name}' -IsValidated $true "
            "-LastValidationTimestamp (Get-Date)."
        )
    if not connector.enabled:
        context.warnings.append("The connector is off, so that no mail takes it.")
    return [
        ValidationRow(
            task_name=step.name,
            is_task_successful=step.is_successful,
            detail=step.result,
            transcript=step.transcript,
        )
        for step in steps
    ]


def _sender(context: Context, text: str | None, connector: OutboundConnector) -> Mailbox:
    """In nobody's name but the organisation's own. Raises BadValue."""
    settings = context.settings
    own = [each for each in settings.accepted_domains if each.organization == connector.organization]
    if text is None:
        return parse_mailbox(f"postmaster@{own[0].name if own else settings.hostname}")
    sender = _mailbox(text, "From")
    domain = accepted_domain(sender.domain, settings)
    if domain is None or domain.organization != connector.organization:
        raise BadValue(
            f"'{sender.domain}' is not an accepted domain of the connector's organization; Get-AcceptedDomain lists "
            "them.",
            parameter="From",
        )
    return sender


def _mailbox(text: str, parameter: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise BadValue(f"{text!r}: {error}; write somebody@fabrikam.com.", parameter=parameter) from None


OPERATIONS = (
    Operation(
        "Validate",
        "OutboundConnector",
        "Try a connector: connect to every next hop, and send a test mail.",
        ValidateOutboundConnector,
        ValidationRow,
        CHANGE,
        run,
        is_change=True,
        positions=("identity",),
        columns=("task_name", "is_task_successful", "detail"),
        example="'To Fabrikam' -Recipients somebody@fabrikam.com",
    ),
)
