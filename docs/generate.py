"""Write the generated pages again: `make docs`. A test fails while a page is not what this gives."""

from collections.abc import Callable
from pathlib import Path

from staffetta import metrics

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


PAGES: dict[str, Callable[[], str]] = {"metrics.md": metrics_page}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
