"""Get-HealthReport: what is wrong with this relay's set-up, why it matters, and what to do."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from staffetta.directory.database import is_there
from staffetta.directory.store import Directory, DirectoryUnavailable, NotConsistent
from staffetta.doctor.examination import Patient, Report, Tell, examine
from staffetta.doctor.finding import Severity
from staffetta.operations.duties import READ
from staffetta.operations.errors import OperationError, Unavailable
from staffetta.operations.inputs import Input, Output, Said, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.operations.spools import spool_folder
from staffetta.settings.model import Settings

AT_ONCE_MAX = 2
_at_once = threading.BoundedSemaphore(AT_ONCE_MAX)  # each holds a thread for as long as a resolver is silent


class GetHealthReport(Input):
    offline: Annotated[Switch, Field(description="Ask nobody: look at files, certificates and this machine alone.")] = (
        False
    )


class HealthRow(Output):
    severity: Annotated[Severity, Field(description="error, warning or notice.")]
    code: Annotated[str, Field(description="What was found, by its stable name.")]
    check: Annotated[str, Field(description="Which check found it.")]
    seen: Annotated[Said, Field(description="What exactly was seen.")]
    why: Annotated[Said, Field(description="Why it matters.")]
    action: Annotated[Said, Field(description="What to do.")]


def get(context: Context, given: GetHealthReport) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise OperationError("The machine is the whole relay's; ask an administrator of it.")
    if not _at_once.acquire(blocking=False):
        raise Unavailable(f"{AT_ONCE_MAX} examinations are under way. Wait until one has ended, and ask again.")
    try:
        patient = _patient(context.settings, _trouble(context))
        report = asyncio.run(examine(patient, context.now(), offline=given.offline, tell=context.tell))
    finally:
        _at_once.release()
    for each in report.examined:
        context.warnings.extend(f"{each.check}: {why}." for why in each.not_checked)
    return [
        HealthRow(
            severity=finding.severity,
            code=finding.code,
            check=check,
            seen=finding.seen,
            why=finding.why,
            action=finding.action,
        )
        for check, finding in report.findings
    ]


def examine_here(declared: Settings, now: float, *, offline: bool, tell: Tell) -> Report:
    """Examine the relay of a settings file on this machine; nothing is made that is not there. now: since 1970."""
    settings, trouble = _merged(declared)
    return asyncio.run(examine(_patient(settings, trouble), now, offline=offline, tell=tell))


def _patient(settings: Settings, trouble: str | None) -> Patient:
    return Patient(settings, spool_folder(settings), trouble)


def _trouble(context: Context) -> str | None:
    try:
        context.directory.merged(context.settings)
    except NotConsistent as error:
        return str(error)
    return None


def _merged(declared: Settings) -> tuple[Settings, str | None]:
    """With the directory beside it; where that cannot be used, the file alone, and why."""
    try:
        if not is_there(declared.data_dir):
            return declared, None
        directory = Directory.open(declared.data_dir)
        try:
            return directory.merged(declared), None
        finally:
            directory.close()
    except (NotConsistent, DirectoryUnavailable) as error:
        return declared, str(error)


OPERATIONS = (
    Operation(
        "Get",
        "HealthReport",
        "Examine the relay's set-up: what is wrong, why it matters, and what to do.",
        GetHealthReport,
        HealthRow,
        READ,
        get,
        columns=("severity", "code", "seen", "action"),
        example="-Offline",
    ),
)
