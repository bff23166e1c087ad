"""The shell for people at a terminal: lines that go on until they are whole, history, completion."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory

from staffetta.shell.completion import complete
from staffetta.shell.shell import Shell
from staffetta.shell.source import Source

PROMPT = "PS staffetta> "
_SECRET = re.compile(r"password|asplaintext|token|secret", re.IGNORECASE)


def converse(shell: Shell, history: Path | None) -> int:
    """Read and run until the end of input or `exit`, and return the exit status.

    history: the file that lines are kept in; None keeps them in memory.
    """
    lines: PromptSession[str] = PromptSession(
        PROMPT,
        history=_History(history) if history is not None else None,
        completer=_Completer(shell),
        complete_while_typing=False,
        multiline=Condition(lambda: Source(lines.default_buffer.text).open is not None),
        prompt_continuation=">> ",
    )
    status = 0
    while not shell.is_over:
        try:
            text = lines.prompt()
        except KeyboardInterrupt:
            continue  # what was typed is dropped, as in every shell
        except EOFError:
            break
        try:
            status = shell.run(text)
        except KeyboardInterrupt:
            shell.session.host.complain("interrupted")
    return status if shell.is_over else 0


def history_file(state: Callable[[str], str | None]) -> Path | None:
    """Return where history is kept, made if need be: `$XDG_STATE_HOME/staffetta/shell_history`; None if it cannot be.

    state: returns a variable of the environment.
    """
    folder = Path(state("XDG_STATE_HOME") or "~/.local/state").expanduser() / "staffetta"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "shell_history"
        file.touch(mode=0o600, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return file


class _History(FileHistory):
    """Lines that seem to hold a password are not kept on disk, as in PowerShell."""

    def store_string(self, string: str) -> None:
        if not _SECRET.search(string):
            super().store_string(string)


class _Completer(Completer):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        session = self._shell.session
        word, names = complete(document.text_before_cursor, session.commands, map(str, session.variables))
        return (Completion(name, start_position=-len(word)) for name in names)
