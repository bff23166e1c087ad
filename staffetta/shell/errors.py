"""What `$_` is within `catch`, and what `$Error` holds."""

from staffetta.shell.trouble import ShellError
from staffetta.shell.values import NetObject


class ThrownException(NetObject):
    """The exception within an error record."""

    type_name = "System.Exception"
    readable = ("Message", "InnerException")

    def __init__(self, error: ShellError) -> None:
        self.message = error.text
        self.inner_exception = None
        self.kind = error.kind

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class ErrorRecord(NetObject):
    """An error that has happened; as a text it is its message."""

    type_name = "System.Management.Automation.ErrorRecord"
    readable = ("Exception", "FullyQualifiedErrorId", "ScriptStackTrace")

    def __init__(self, error: ShellError) -> None:
        self.exception = ThrownException(error)
        self.fully_qualified_error_id = ",".join(
            part for part in (error.kind.rpartition(".")[2], error.command) if part
        )
        place = error.place
        self.script_stack_trace = f"at line:{place.line} char:{place.column}" if place is not None else ""

    def __str__(self) -> str:
        return self.exception.message
