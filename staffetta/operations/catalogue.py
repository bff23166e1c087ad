"""All operations. What is not listed here does not exist, in no projection."""

from staffetta.operations import connectors
from staffetta.operations.registry import Operation

OPERATIONS: tuple[Operation, ...] = (*connectors.OPERATIONS,)
