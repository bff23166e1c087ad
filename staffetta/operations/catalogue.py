"""All operations. What is not listed here does not exist, in no projection."""

from staffetta.operations import (
    accounts,
    administrators,
    analyze,
    api_tokens,
    auditing,
    blocked_connectors,
    certificate_expiry,
    connectors,
    domains,
    explain,
    meanings,
    organizations,
    queueing,
    role_groups,
    simulate,
    tracing,
    transport_config,
)
from staffetta.operations.registry import Operation

OPERATIONS: tuple[Operation, ...] = (
    *connectors.OPERATIONS,
    *blocked_connectors.OPERATIONS,
    *domains.OPERATIONS,
    *organizations.OPERATIONS,
    *transport_config.OPERATIONS,
    *accounts.OPERATIONS,
    *certificate_expiry.OPERATIONS,
    *tracing.OPERATIONS,
    *queueing.OPERATIONS,
    *explain.OPERATIONS,
    *meanings.OPERATIONS,
    *simulate.OPERATIONS,
    *analyze.OPERATIONS,
    *administrators.OPERATIONS,
    *role_groups.OPERATIONS,
    *api_tokens.OPERATIONS,
    *auditing.OPERATIONS,
)
