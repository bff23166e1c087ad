"""Test-Mailflow: a marked message through a road of ours, followed to where it arrives.

Rule: the console names a probe of the settings, or a route and a recipient; where an arrival is looked for, with whose
password, only the settings file says. `staffetta probe`, on this machine, looks anywhere.
"""

import asyncio
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.operations.access import changing
from staffetta.operations.duties import CHANGE
from staffetta.operations.errors import BadValue, NotFound, RoleMissing, Unavailable
from staffetta.operations.inputs import Input, Output, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder
from staffetta.probing.desk import ask_relay
from staffetta.probing.following import follow
from staffetta.probing.plan import Marked, Plan, ProbeFailed, Report, plan_of, usual_sender
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION
from staffetta.settings.outbound import all_routes
from staffetta.settings.probes import Expect
from staffetta.settings.secrets import SecretUnavailable


class MailflowQuestion(Input):
    identity: Annotated[str | None, Field(description="Name of a probe of the settings; else give Route and To.")] = (
        None
    )
    route: Annotated[str | None, Field(description="The route, or the outbound connector, that is tried.")] = None
    target_email_address: Annotated[str | None, Field(description="Mailbox that the message goes to.")] = None
    from_: Annotated[str | None, Field(description="Its sender; left out, our postmaster.")] = None
    wait_for_notification: Annotated[
        Switch, Field(description="Arrived means: a notification of success came back.")
    ] = False
    timeout_seconds: Annotated[int, Field(ge=1, le=300, description="How long it may take.")] = 60


class MailflowRow(Output):
    test_mailflow_result: Annotated[str, Field(description="Success or FAILURE, in Exchange's letters.")]
    message_latency_time: Annotated[float | None, Field(description="Seconds from the queue to the end of the way.")]
    route: Annotated[str, Field(description="The route.")]
    target_email_address: Annotated[str, Field(description="The recipient.")]
    legs: Annotated[tuple[str, ...], Field(description="Each part of the way: how long it took, and what was said.")]
    error: Annotated[str | None, Field(description="Why it did not arrive.")]
    queue_id: Annotated[str | None, Field(description="The message in our trace.")]
    message_id: Annotated[str | None, Field(description="Its Message-ID field.")]


def run(context: Context, given: MailflowQuestion) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise RoleMissing(
            "Test-Mailflow is for who administers the whole relay; Validate-OutboundConnector tries your own roads."
        )
    plan = _plan(context, given)
    with changing(context, "Test-Mailflow") as change:
        after = {"Route": plan.route, "To": str(plan.to), "From": str(plan.sender)}
        change.audit("probe", given.identity or plan.route, DEFAULT_ORGANIZATION, after=after)
    try:
        report = probe(context.settings, plan)
    except ProbeFailed as error:
        raise Unavailable(f"The probe was not sent: {error}.") from None
    return [
        MailflowRow(
            test_mailflow_result="Success" if report.has_arrived else "FAILURE",
            message_latency_time=round(sum(leg.seconds for leg in report.legs), 3) if report.has_arrived else None,
            route=plan.route,
            target_email_address=str(plan.to),
            legs=tuple(f"{leg.name}: {leg.seconds:.3f} s, {leg.told}" for leg in report.legs),
            error=report.trouble,
            queue_id=report.queue_id,
            message_id=report.message_id,
        )
    ]


def probe(settings: Settings, plan: Plan) -> Report:
    """Have the relay of these settings send a probe, and follow it from this process. Raises ProbeFailed."""

    async def submit(plan: Plan, probe: Marked) -> str:
        return await ask_relay(settings, plan, probe)

    return asyncio.run(follow(plan, submit, hostname=settings.hostname, spool=spool_folder(settings)))


def _plan(context: Context, given: MailflowQuestion) -> Plan:
    """Raises BadValue, NotFound, Unavailable."""
    settings = context.settings
    if given.identity is not None:
        for declared in settings.probes:
            if declared.name.casefold() == given.identity.casefold():
                try:
                    return plan_of(declared, settings)
                except SecretUnavailable as error:
                    raise Unavailable(f"{error}.") from None
        known = ", ".join(each.name for each in settings.probes) or "none; give Route and TargetEmailAddress"
        raise NotFound(f"There is no probe '{given.identity}' in the settings. Known: {known}.", parameter="Identity")
    if given.route is None or given.target_email_address is None:
        raise BadValue("Give -Route and -TargetEmailAddress, or the name of a probe of the settings.")
    known_routes = list(all_routes(settings))
    if given.route not in known_routes:
        raise BadValue(
            f"There is no route '{given.route}'; known: {', '.join(known_routes) or 'none'}.", parameter="Route"
        )
    return Plan(
        route=given.route,
        to=_mailbox(given.target_email_address, "TargetEmailAddress"),
        sender=_mailbox(given.from_ or usual_sender(settings), "From"),
        expect=Expect.DSN if given.wait_for_notification else Expect.NONE,
        timeout_seconds=given.timeout_seconds,
        has_own_path=given.from_ is None,
    )


def _mailbox(text: str, parameter: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise BadValue(f"{text!r}: {error}; write somebody@fabrikam.com.", parameter=parameter) from None


OPERATIONS = (
    Operation(
        "Test",
        "Mailflow",
        "Send a marked message by a road, follow it to where it arrives, and tell how long each leg took.",
        MailflowQuestion,
        MailflowRow,
        CHANGE,
        run,
        is_change=True,
        positions=("identity",),
        columns=("test_mailflow_result", "message_latency_time", "route", "target_email_address", "error"),
        example="-Route outside -TargetEmailAddress somebody@fabrikam.com",
    ),
)
