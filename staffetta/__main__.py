"""The program `staffetta`: the command line, given the relay that its `serve` starts."""

import sys
from pathlib import Path

from staffetta.cli.main import run
from staffetta.cli.status import INTERRUPTED


def _serve(config: Path) -> int:
    from staffetta.process import serve  # the relay's rooms load only where they are needed; `trace` answers at once

    return serve(config)


def main() -> None:
    """Run the command line and exit with its status (sysexits)."""
    try:
        sys.exit(run(sys.argv[1:], serve=_serve))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
