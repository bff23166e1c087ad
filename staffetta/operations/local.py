"""Operations on this machine: by the settings file and the directory beside it, whether the relay runs or not."""

import getpass
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from staffetta.directory.store import Directory, DirectoryUnavailable
from staffetta.operations.access import told
from staffetta.operations.registry import Context, Operation, Result, execute, operations
from staffetta.operations.roles import Caller, Role
from staffetta.operations.spools import NotAvailable
from staffetta.settings.file import load
from staffetta.settings.model import Settings


@dataclass(frozen=True, slots=True)
class LocalOffice:
    """Carries out operations for the user of this machine, who can read and write the files anyway: with every role."""

    settings: Settings
    directory: Directory
    caller: Caller

    @property
    def operations(self) -> Sequence[Operation]:
        return operations()

    def execute(self, operation: Operation, parameters: Mapping[str, object], *, only_ask: bool = False) -> Result:
        """Do as `registry.execute` does, on what is there now. Raises OperationError."""
        return execute(operation, self.context(), parameters, only_ask=only_ask)

    def context(self) -> Context:
        """Return what one call works with. Raises Unavailable."""
        with told():
            return Context.of(self.settings, self.directory, self.caller, time.time)


@contextmanager
def local_office(config: Path, source: str) -> Iterator[LocalOffice]:
    """Open the office of a settings file. source: as in Caller. Raises SettingsError, NotAvailable."""
    settings = load(config)
    try:
        directory = Directory.open(settings.data_dir)
    except DirectoryUnavailable as error:
        raise NotAvailable(str(error)) from error
    try:
        yield LocalOffice(settings, directory, Caller(getpass.getuser(), frozenset(Role), source))
    finally:
        directory.close()
