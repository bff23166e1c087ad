"""What `serve` prints when everything listens: where, and the next thing to type."""

import sys
from collections.abc import Sequence
from pathlib import Path

from staffetta import __version__
from staffetta.settings.model import Settings


def print_welcome(settings: Settings, config: Path, facts: Sequence[tuple[str, str]], smtp: str) -> None:
    """Print to standard output, at once.

    facts: what runs and where, as (name, value). smtp: `IP:port` that takes mail.
    """
    width = max(len(name) for name, _ in facts)
    lines = [f"Staffetta {__version__} is running; Ctrl-C stops it.", ""]
    lines += [f"  {name:<{width}}  {value}" for name, value in facts]
    if settings.capture and settings.accepted_domains:
        lines += ["", *_next_things_to_type(settings, config, smtp)]
    print("\n".join(lines), end="\n\n", flush=True)


def _next_things_to_type(settings: Settings, config: Path, smtp: str) -> list[str]:
    """Only where a capture host plays the outside: such a relay is there to be tried out."""
    domain = settings.accepted_domains[0].name
    program = typed()
    host, _, port = smtp.rpartition(":")
    send = (
        f"{program} send --server {host} --port {port} --from ada@{domain} --to bob@{domain} --to eve@outside.example "
        f"--subject Hello --message-id hello@{domain}"
    )
    return [
        "Send a message to a mailbox here and to one outside (in another terminal):",
        f"  {send}",
        "and see where it went:",
        f"  {program} trace --config {config} --message-id hello@{domain}",
    ]


def typed() -> str:
    """Return what to type for this program, as short as it was typed."""
    program = Path(sys.argv[0])
    return str(program) if program.name == "staffetta" else f"{sys.executable} -m staffetta"
