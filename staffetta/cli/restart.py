"""`staffetta restart`: the program and the settings of now, and no connection refused meanwhile."""

from staffetta.cli.options import ConfigFile
from staffetta.cli.status import EX_OK
from staffetta.operations import restarting
from staffetta.settings.file import load


def restart(*, config: ConfigFile) -> int:
    """Have the running relay start anew with the program and settings of now; clients wait rather than being refused.

    What is under way finishes, up to half a minute. Where the new start would fail, the relay goes on as it was.
    """
    restarting.restart(load(config).data_dir)
    print("The relay has restarted.")
    return EX_OK
