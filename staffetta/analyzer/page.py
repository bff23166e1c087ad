"""The analysis as one HTML page that needs nothing else: it can be printed, saved and sent on.

Rule: everything that a message says is escaped; the page has no script and loads nothing.
"""

from collections.abc import Iterable, Sequence
from html import escape

from staffetta.analyzer.blocks import blocks_of
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import Report
from staffetta.analyzer.words import clock, duration, moment, secured, sending_host, summary_lines

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1b1b }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: anywhere }
.bar { display: block; height: .8rem; background: #0f6cbd; print-color-adjust: exact }
.time, .delay { white-space: nowrap }
.error::before { content: "✖ " } .warning::before { content: "▲ " } .good::before { content: "✔ " }
.error { color: #b10e1e } .warning { color: #8a5a00 } .good { color: #0b6a0b }
small { color: #555 }
"""


def page(report: Report) -> str:
    """Return the page."""
    title = report.summary.subject or "Message headers"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        _table((), summary_lines(report.summary, report.total_seconds)),
        "<h2>Findings</h2><ul>",
        *(
            f'<li class="{each.severity}">{escape(each.text)} '
            f"<small>{escape(each.field)}; {escape(each.reference)}</small></li>"
            for each in report.findings
        ),
        "</ul><h2>Hops</h2>",
        _hops(report.hops),
    ]
    parts += [f"<h2>{escape(block.heading)}</h2>{_table(block.columns, block.rows)}" for block in blocks_of(report)]
    return "\n".join([*parts, "</body></html>", ""])


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _hops(hops: Sequence[Hop]) -> str:
    headings = ("Hop", "From", "By", "With", "Time (UTC)", "Delay", "Share")
    head = "".join(f"<th>{each}</th>" for each in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_hop, hops))}</tbody></table>"


def _hop(hop: Hop) -> str:
    received = hop.received
    protocol = " ".join(filter(None, (received.with_protocol, received.via and f"via {received.via}")))
    delay = duration(hop.delay_seconds) if hop.delay_seconds is not None else ""
    if hop.clock_offset_seconds is not None:
        delay = clock(hop.clock_offset_seconds)
    width = f"{100 * (hop.share or 0):.1f}"
    return (
        f"<tr><td>{hop.number}</td><td>{escape(sending_host(received))}</td>"
        f"<td>{escape(received.by_name or received.by_comment or '')}</td>"
        f"<td>{escape(' '.join(filter(None, (protocol, secured(received.tls)))))}</td>"
        f'<td class="time">{moment(received.at)}</td><td class="delay">{delay}</td>'
        f'<td><span class="bar" style="width:{width}%" title="{width} %"></span></td></tr>'
    )
