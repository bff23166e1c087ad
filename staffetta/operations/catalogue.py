"""All operations. What is not listed here does not exist, in no projection."""

from staffetta.operations import auditing, connectors, domains, explain, organizations, simulate
from staffetta.operations.registry import Operation

OPERATIONS: tuple[Operation, ...] = (
    *connectors.OPERATIONS,
    *domains.OPERATIONS,
    *organizations.OPERATIONS,
    *auditing.OPERATIONS,
    *explain.OPERATIONS,
    *simulate.OPERATIONS,
)
