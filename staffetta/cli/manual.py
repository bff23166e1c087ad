"""`staffetta manual`: the pages staffetta(1) and staffetta.toml(5), from the declarations of commands and settings."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from pydantic.fields import FieldInfo

from staffetta import __version__
from staffetta.cli import roff, status
from staffetta.cli.main import commands
from staffetta.cli.status import EX_OK
from staffetta.settings.documents import default_words, model_of, sections, type_words
from staffetta.settings.model import Settings

PROGRAM, FILE = "staffetta", "staffetta.toml"
_SHELLS: tuple[tuple[Literal["bash", "zsh", "fish"], str], ...] = (
    ("bash", "bash-completion/completions/staffetta"),
    ("zsh", "zsh/site-functions/_staffetta"),
    ("fish", "fish/vendor_completions.d/staffetta.fish"),
)
_HIDDEN = ("--help", "-h", "--version", "complete")
_SYSEXITS = {
    "EX_OK": "all went well",
    "EX_REFUSED": "of `simulate`: refused; of `diff`: something differs; of `doctor`: there are warnings",
    "EX_SICK": "of `doctor`: there are errors",
    "EX_USAGE": "the command line is wrong",
    "EX_NOINPUT": "what was asked for is not there",
    "EX_IOERR": "the disk, or what is on it; an administrator must look",
    "EX_TEMPFAIL": "not now; the same command may work later",
    "EX_NOPERM": "this user may not",
    "EX_CONFIG": "the settings are wrong; trying again does not help",
}


Page = Annotated[Literal["staffetta", "staffetta.toml"], Parameter(help="Which one.")]


def manual(page: Page = "staffetta", /) -> None:
    """Print a page of the manual, for man: staffetta manual | man -l -"""
    today = datetime.now(UTC).date()
    sys.stdout.write(program_page(_all_commands(), today) if page == PROGRAM else file_page(today))


def shared_files(today: date) -> dict[str, str]:
    """Return what an installation puts below share/: pages of the manual, and completions of shells, by path."""
    app = _all_commands()
    pages = {f"man/man1/{PROGRAM}.1": program_page(app, today), f"man/man5/{FILE}.5": file_page(today)}
    return pages | {path: app.generate_completion(shell=shell) for shell, path in _SHELLS}


def _all_commands() -> App:
    return commands(lambda _: EX_OK)


def program_page(app: App, today: date) -> str:
    """Return staffetta(1)."""
    lines = [
        *roff.head(PROGRAM, 1, today.isoformat(), f"Staffetta {__version__}", "a durable SMTP relay"),
        roff.heading("Synopsis"),
        *roff.paragraph(f"**{PROGRAM}** COMMAND [OPTIONS]"),
        roff.heading("Description"),
        *roff.paragraph(
            f"**{PROGRAM} serve** runs the relay; the other commands administer it, look into it, or try it out. All "
            f"of them read the settings file, {FILE}(5)."
        ),
        roff.heading("Commands"),
    ]
    for path, command in _commands([PROGRAM], app):
        lines += _described(path, command)
    lines += [roff.heading("Environment"), *roff.tagged("**STAFFETTA_CONFIG**", "The settings file, for --config.")]
    lines.append(roff.heading("Exit status"))
    for name, words in _SYSEXITS.items():
        lines += roff.tagged(f"**{getattr(status, name)}**", words)
    lines += [roff.heading("Files"), *roff.tagged("/etc/staffetta/staffetta.toml", "The settings of the service.")]
    lines += [*roff.tagged("/var/lib/staffetta", "Spool and state."), roff.heading("See also")]
    return "\n".join([*lines, *roff.paragraph(f"{FILE}(5), sendmail(1), systemctl(1)")]) + "\n"


def file_page(today: date) -> str:
    """Return staffetta.toml(5)."""
    lines = [
        *roff.head(FILE, 5, today.isoformat(), f"Staffetta {__version__}", "settings of the relay staffetta(1)"),
        roff.heading("Description"),
        *roff.paragraph(
            "One file in TOML; relative paths start at its folder. `staffetta check` says what is wrong, by file, line "
            "and key. A table in double brackets may be there more than once."
        ),
    ]
    for title, model in sections():
        lines.append(roff.heading(title.replace("`", "")))
        lines += roff.paragraph((model.__doc__ or "").strip().split("\n")[0])
        for key, field in model.model_fields.items():
            if model is Settings and model_of(field) is not None:
                continue
            lines += roff.tagged(f"**{key}** ({_kind(field)})", field.description or "")
    lines.append(roff.heading("See also"))
    return "\n".join([*lines, *roff.paragraph("staffetta(1)")]) + "\n"


def _kind(field: FieldInfo) -> str:
    """Of which kind values are, and what holds where there is none."""
    default = default_words(field)
    told = {"–": "", "required": "; required"}.get(default, f"; default {default}")
    return f"{type_words(field.annotation)}{told}".replace("`", "")


def _commands(path: list[str], app: App) -> Iterator[tuple[list[str], App]]:
    for name in app:
        if name in _HIDDEN or name.startswith("-"):
            continue
        command = app[name]
        yield [*path, name], command
        yield from _commands([*path, name], command)


def _described(path: list[str], command: App) -> Iterator[str]:
    is_group = command.default_command is None
    yield roff.subheading(" ".join(path[1:]))
    if is_group:
        yield from roff.paragraph(_first_words(command.help))
        return
    arguments = [each for each in command.assemble_argument_collection() if each.show]
    shown = [_shown(each) for each in arguments]
    needed = [text for each, text in zip(arguments, shown, strict=True) if each.required]
    more = " [OPTIONS]" if len(needed) < len(shown) else ""
    yield from roff.paragraph(f"**{' '.join(path)}** {' '.join(needed)}{more}")
    yield ".PP"
    yield from roff.paragraph(_first_words(command.help))
    for each, text in zip(arguments, shown, strict=True):
        yield from roff.tagged(text, _first_words(each.parameter.help) or "See above.")


def _shown(argument: Any) -> str:
    names = [name for name in argument.names if name.startswith("-")]
    if not names:
        return str(argument.names[0]).upper()
    is_switch = argument.hint is bool or len(names) > 1
    value = "" if is_switch else f" {names[0].lstrip('-').upper().replace('-', '_')}"
    return ", ".join(f"**{name}**" for name in names) + value


def _first_words(text: str | None) -> str:
    return " ".join((text or "").split())
