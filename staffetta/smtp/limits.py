"""What a server's session enforces itself, by whoever holds it: the settings, or a test."""

from typing import Protocol


class SessionLimits(Protocol):
    """message_octets_max: announced as SIZE. recipients_max: of a transaction. errors_max: refused commands.

    idle_commands_max: commands that lead nowhere, between two messages.
    """

    @property
    def message_octets_max(self) -> int: ...
    @property
    def recipients_max(self) -> int: ...
    @property
    def errors_max(self) -> int: ...
    @property
    def idle_commands_max(self) -> int: ...
