"""Write the generated pages again: `make docs`. A test fails while a page is not what this gives."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

from staffetta import metrics
from staffetta.smtp import reply

FOLDER = Path(__file__).parent


def metrics_page() -> str:
    """Return docs/metrics.md, from the declarations of staffetta/metrics.py."""
    lines = [
        "# Metrics",
        "",
        "Generated from `staffetta/metrics.py` by `make docs`. Served at `/metrics` in the format of Prometheus.",
        "Every label combination that can occur is there from the start, at zero.",
        "No label holds a domain or an address of a peer.",
        "",
        "| metric | type | labels | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for metric in metrics.all_metrics():
        description = next(iter(metric.describe()))
        name = description.name + ("_total" if description.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "–"
        lines.append(f"| `{name}` | {description.type} | {labels} | {description.documentation} |")
    lines += [
        "",
        f"- `result` of sessions: {', '.join(metrics.SESSION_RESULTS)}",
        f"- `result` of attempts: {', '.join(metrics.ATTEMPT_RESULTS)}",
        f"- `state`: {', '.join(metrics.RECIPIENT_STATES)}",
        f"- `direction`: {', '.join(metrics.TLS_DIRECTIONS)}",
    ]
    return "\n".join(lines) + "\n"


def replies_page() -> str:
    """Return docs/replies.md, from the catalogue in staffetta/smtp/reply.py and the headings there."""
    lines = [
        "# Replies",
        "",
        "Generated from `staffetta/smtp/reply.py` by `make docs`. These are the only replies that we send,",
        "with the wording of Exchange Online where it has one.",
        "A refusal ends with a stamp, `[our name, time in UTC, session id]`:",
        "the trace and the log tell the exact reason under the same session id.",
    ]
    replies = reply.catalogue()
    for heading, name in re.findall(r"^# (.+)$|^([A-Z_]+) = Reply\(", inspect.getsource(reply), re.MULTILINE):
        if heading:
            lines += ["", f"## {heading.rstrip('.')}", "", "| name | reply |", "| --- | --- |"]
        else:
            lines.append(_reply_row(name, replies.pop(name)))
    lines += ["", "## Made for the occasion", "", "| name | for example |", "| --- | --- |"]
    lines += [_reply_row(name, example) for name, example in replies.items()]
    return "\n".join(lines) + "\n"


def _reply_row(name: str, shown: reply.Reply) -> str:
    return f"| `{name}` | {'<br>'.join(f'`{line}`' for line in shown.wire.decode().splitlines())} |"


PAGES: dict[str, Callable[[], str]] = {"metrics.md": metrics_page, "replies.md": replies_page}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
