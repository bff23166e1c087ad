"""Why an operation cannot be done. The text says why, and what to do instead; `kind` is Exchange's exception type."""


class OperationError(Exception):
    """An operation cannot be done.

    kind: Exchange's exception type, without its namespace. parameter: its outside name, where one is at fault.
    """

    kind = "InvalidOperationException"

    def __init__(self, text: str, *, parameter: str | None = None) -> None:
        super().__init__(text)
        self.parameter = parameter


class NotFound(OperationError):
    """There is no such object."""

    kind = "ManagementObjectNotFoundException"


class AlreadyThere(OperationError):
    """An object of this name is there already."""

    kind = "ADObjectAlreadyExistsException"


class BadParameter(OperationError):
    """A parameter is unknown, missing, or has a value that it cannot have."""

    kind = "ParameterBindingException"


class BadValue(OperationError):
    """A parameter's value cannot be read as what it must be."""

    kind = "ParameterTransformationException"


class RoleMissing(OperationError):
    """The caller may not do this; the text names the roles that may."""

    kind = "UnauthorizedAccessException"


class Unavailable(OperationError):
    """Not now: a database or the relay does not answer. The same may work later."""

    kind = "TransientException"
