"""The command line: what can be typed."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.console import Console

from staffetta import __version__
from staffetta.cli.ca import ca_commands
from staffetta.cli.config import config_commands
from staffetta.cli.explain import explain, simulate
from staffetta.cli.options import ConfigFile
from staffetta.cli.refusals import refusals
from staffetta.cli.shell import shell
from staffetta.cli.status import EX_CONFIG, EX_NOINPUT, EX_OK, EX_TEMPFAIL, EX_USAGE
from staffetta.cli.trace import trace
from staffetta.operations.config import check_directory, key_trouble
from staffetta.operations.registry import NotFound, OperationError, Unavailable
from staffetta.operations.spools import NotAvailable
from staffetta.settings import trust
from staffetta.settings.file import SettingsError, advice, load

Serve = Callable[[Path], int]

# By name, so that `staffetta trace` does not wait for all operations to load.
_LOADED_WHERE_NEEDED = {
    "queue": ("queue:queue", "What waits and why; hold, release, retry, delete, redirect; suspend and resume."),
    "connector": ("objects:connector", "Who may send in: list, show, add, set, test, remove."),
    "outbound": (
        "objects:outbound",
        "Where mail goes out, as Exchange has it: list, show, add, set, validate, remove.",
    ),
    "rule": ("objects:rule", "Which mail takes which road: list, show, add, set, remove."),
    "route": ("objects:route", "Roads out as they are travelled, and how their next hops are."),
    "domain": ("objects:domain", "What we take mail for, and the MX record to publish."),
    "account": ("objects:account", "Devices and programs that log in to send, and their passwords."),
    "organization": ("objects:organization", "Tenants that see nothing of each other."),
    "administrator": ("objects:administrator", "Who administers."),
    "rolegroup": ("objects:rolegroup", "What administrators may do."),
    "token": ("objects:token", "Tokens for programs that use the API."),
    "oauth": ("oauth:oauth", "Access tokens for next hops: log in, and try whether there is one to be had."),
    "audit": ("objects:audit", "Who changed what: list, export."),
    "headers": ("headers:headers", "Show the road of a message by its headers: hops, delays, findings."),
    "doctor": ("doctor:doctor", "Examine the set-up: what is wrong, why it matters, what to do."),
    "spool": ("spool:spool", "Examine the spool on the disk; save what a damaged one holds."),
    "send": ("send:send_message", "Send one message to any server, and show all that was said."),
    "probe": ("probe:probe", "Send a marked message through the whole chain, and follow it to where it arrives."),
    "secrets": ("secrets:secrets", "The key that seals secrets in the directory: show, rotate."),
    "restart": ("restart:restart", "Start the running relay anew, with no connection refused."),
    "backup": ("backup:backup", "Write all that the relay keeps to one file, while it runs."),
    "restore": ("backup:restore", "Put a backup into an empty data folder."),
    "setup": ("setup:set_up", "Make a bare server ready: user, folders, systemd units, settings to begin with."),
    "import": ("importing:imports", "Settings of Postfix, IIS SMTP or Exchange as ours; what cannot be carried over."),
    "manual": ("manual:manual", "A page of the manual, for man: staffetta manual | man -l -"),
    "demo": ("demo:demo", "The story of a relay on this machine, played step by step."),
    "run": ("run:run_operation", "Any operation by its cmdlet's name."),
    "operations": ("run:list_operations", "List the operations that `run` knows."),
}


def run(arguments: Sequence[str], *, serve: Serve) -> int:
    """Carry out one command line and return the exit status.

    arguments: without the program's name. serve: runs the relay of a settings file until it is told to stop.
    """
    try:
        result = commands(serve)(arguments, exit_on_error=False, print_error=True, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError:  # said already, with the usage
        return EX_USAGE
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except NotAvailable as error:
        print(error, file=sys.stderr)
        return EX_TEMPFAIL
    except OperationError as error:
        print(error, file=sys.stderr)
        if isinstance(error, Unavailable):
            return EX_TEMPFAIL
        return EX_NOINPUT if isinstance(error, NotFound) else EX_USAGE
    except BrokenPipeError:  # `… | head` has seen enough; what is still buffered must not be tried again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_OK
    return result if isinstance(result, int) else EX_OK


def commands(serve: Serve) -> App:
    """Return everything that can be typed. serve: as for run()."""
    app = App(
        name="staffetta",
        help="A durable SMTP relay. Start with: staffetta serve --config examples/quickstart.toml",
        version=__version__,
        error_console=Console(stderr=True),
        suppress_keyboard_interrupt=False,  # a command within the demo must not end it its own way
    )
    app.command(_serve_command(serve), name="serve")
    app.command(check)
    app.command(trace)
    app.command(refusals)
    app.command(explain)
    app.command(simulate)
    app.command(shell)
    for name, (place, help_text) in _LOADED_WHERE_NEEDED.items():
        app.command(f"staffetta.cli.{place}", name=name, help=help_text)
    app.command(ca_commands())
    app.command(config_commands())
    app.register_install_completion_command(add_to_startup=False)
    return app


def _serve_command(serve: Serve) -> Callable[..., int]:
    def command(*, config: ConfigFile) -> int:
        """Run the relay in the foreground. SIGTERM: finish and stop. SIGHUP: read the settings again.

        SIGUSR2: start anew, as `staffetta restart` asks for.
        """
        return serve(config)

    return command


def check(*, config: ConfigFile) -> int:
    """Say whether a settings file is right, by itself and with the directory beside it; nothing is started."""
    settings = load(config)
    for warning in advice(config, settings):
        print(f"{warning} (a warning)", file=sys.stderr)
    for authority in settings.trusted_authorities:
        if trouble := trust.authority(authority.name, settings, time.time()).trouble:
            print(f"{config}: {trouble} (a warning)", file=sys.stderr)
    check_directory(settings)
    if trouble := key_trouble(settings):
        print(f"{config}: {trouble} (a warning)", file=sys.stderr)
    print(f"{config}: ok")
    return EX_OK
