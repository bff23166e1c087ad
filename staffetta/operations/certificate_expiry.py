"""When certificates end, as an operation: what the watch of expiry.py looks at, for people and programs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from staffetta.operations.duties import READ
from staffetta.operations.errors import OperationError
from staffetta.operations.expiry import Condition, Use, certificates
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation


class GetCertificateExpiry(Input):
    days: Annotated[int | None, Field(description="Only those with fewer days left than this.", ge=1)] = None


class CertificateExpiryRow(Output):
    name: Annotated[str, Field(description="The listener, the authority, or the first name in an issued certificate.")]
    use: Annotated[Use, Field(description="What it is for.")]
    condition: Annotated[Condition, Field(description="Whether it is good.")]
    expires_utc: Annotated[datetime | None, Field(description="When it ends; empty where it cannot be read.")]
    days_left: Annotated[int | None, Field(description="Whole days; below 0 where it has ended.")]
    names: Annotated[tuple[str, ...], Field(description="Its names; of an authority, its subject.")]
    serial_number: Annotated[str | None, Field(description="In hexadecimal.")]
    fingerprint: Annotated[str | None, Field(description="SHA-256.")]
    note: Annotated[str | None, Field(description="Why it cannot be read.")]


def get(context: Context, given: GetCertificateExpiry) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise OperationError("Certificates are the whole relay's; ask an administrator of it.")
    found = certificates(context.settings, datetime.fromtimestamp(context.now(), UTC))
    return [
        CertificateExpiryRow(
            name=row.name,
            use=row.use,
            condition=row.condition,
            expires_utc=datetime.fromisoformat(row.expires) if row.expires else None,
            days_left=row.days_left,
            names=row.names,
            serial_number=row.serial,
            fingerprint=row.fingerprint,
            note=row.note,
        )
        for row in found
        if given.days is None or row.days_left is None or row.days_left < given.days
    ]


OPERATIONS = (
    Operation(
        "Get",
        "CertificateExpiry",
        "Show when certificates end: the listeners', the authorities', and those that we issued.",
        GetCertificateExpiry,
        CertificateExpiryRow,
        READ,
        get,
        columns=("name", "use", "condition", "expires_utc", "days_left"),
        example="-Days 30",
    ),
)
