"""All operations. What is not listed here does not exist, in no projection."""

from staffetta.operations import (
    accounts,
    administrators,
    api_tokens,
    auditing,
    connectors,
    domains,
    explain,
    organizations,
    queueing,
    role_groups,
    simulate,
    tracing,
)
from staffetta.operations.registry import Operation

OPERATIONS: tuple[Operation, ...] = (
    *connectors.OPERATIONS,
    *domains.OPERATIONS,
    *organizations.OPERATIONS,
    *accounts.OPERATIONS,
    *tracing.OPERATIONS,
    *queueing.OPERATIONS,
    *explain.OPERATIONS,
    *simulate.OPERATIONS,
    *administrators.OPERATIONS,
    *role_groups.OPERATIONS,
    *api_tokens.OPERATIONS,
    *auditing.OPERATIONS,
)
