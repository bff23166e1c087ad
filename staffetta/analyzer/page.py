"""The analysis as one HTML page that needs nothing else: it can be printed, saved and sent on.

Rule: everything that a message says is escaped; the page has no script and loads nothing.
"""

from collections.abc import Iterable, Sequence
from html import escape

from staffetta.analyzer.blocks import blocks_of
from staffetta.analyzer.finding import Finding
from staffetta.analyzer.hops import Hop
from staffetta.analyzer.report import Report
from staffetta.analyzer.words import carried, clock, duration, moment, secured, sending_host, summary_lines

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1b1b; --quiet: #555; --line: #ddd; --bar: #0f6cbd;
  --error: #b10e1e; --warning: #8a5a00; --good: #0b6a0b }
@media screen and (prefers-color-scheme: dark) { :root { --ground: #1b1b1b; --text: #eee; --quiet: #aaa; --line: #444;
  --bar: #479ef5; --error: #ff8a8a; --warning: #f0b94d; --good: #7bd07b } }
body { font: .95rem/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem;
  background: var(--ground); color: var(--text) }
h1 { overflow-wrap: anywhere }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; break-after: avoid }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
tr { break-inside: avoid }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word }
thead th { white-space: nowrap }
tbody th { font-weight: 600; width: min(15rem, 35%); overflow-wrap: anywhere }
.pairs td { overflow-wrap: anywhere }
.time, .delay { white-space: nowrap }
.host { min-width: 9rem; overflow-wrap: anywhere }
.share { min-width: 8rem; white-space: nowrap }
.bar { display: inline-block; height: .8rem; background: var(--bar); print-color-adjust: exact; margin-right: .4rem }
ul { list-style: none; padding: 0 }
li { padding: .15rem 0 .15rem 6.5rem; text-indent: -6.5rem; break-inside: avoid }
li b { display: inline-block; width: 6.5rem; text-indent: 0 }
.error b { color: var(--error) } .warning b { color: var(--warning) } .good b { color: var(--good) }
.info b { color: var(--quiet); font-weight: 400 }
.error b::before { content: "✖ " } .warning b::before { content: "▲ " } .good b::before { content: "✔ " }
small { color: var(--quiet) }
@media print { :root { font-size: 9.5px } body { margin: 0; max-width: none } .wide { overflow: visible }
  .host { min-width: 8rem } .share { min-width: 6rem } }
"""
_BAR_REM_MAX = 5


def page(report: Report) -> str:
    """Return the page."""
    title = report.summary.subject or "Message headers"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
        _table((), summary_lines(report.summary, report.total_seconds)),
    ]
    if report.findings:
        parts += ["<h2>Findings</h2><ul>", *map(_finding, report.findings), "</ul>"]
    if report.hops:
        parts += ["<h2>Hops</h2>", _hops(report.hops)]
    parts += [f"<h2>{escape(block.heading)}</h2>{_table(block.columns, block.rows)}" for block in blocks_of(report)]
    return "\n".join([*parts, "</main></body></html>", ""])


def _finding(finding: Finding) -> str:
    return (
        f'<li class="{finding.severity}"><b>{finding.severity}</b>{escape(finding.text)} '
        f"<small>{escape(finding.field)}; {escape(finding.reference)}</small></li>"
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with headings, or one of names and values."""
    if not headings:
        pairs = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
        return f'<table class="pairs"><tbody>{pairs}</tbody></table>'
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return _with_headings(headings, body)


def _with_headings(headings: Sequence[str], body: str) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in headings)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _hops(hops: Sequence[Hop]) -> str:
    return _with_headings(("Hop", "From", "By", "With", "Time (UTC)", "Delay", "Share"), "".join(map(_hop, hops)))


def _percent(share: float) -> str:
    return escape(f"{100 * share:.0f} %" if share >= 0.005 else "< 1 %")


def _hop(hop: Hop) -> str:
    received = hop.received
    delay = duration(hop.delay_seconds) if hop.delay_seconds is not None else ""
    if hop.clock_offset_seconds is not None:
        delay = clock(hop.clock_offset_seconds)
    share = ""
    if hop.share:
        share = f'<span class="bar" style="width:{_BAR_REM_MAX * hop.share:.2f}rem"></span>{_percent(hop.share)}'
    return (
        f'<tr><td>{hop.number}</td><td class="host">{escape(sending_host(received))}</td>'
        f'<td class="host">{escape(received.by_name or received.by_comment or "")}</td>'
        f"<td>{escape(' '.join(filter(None, (carried(received), secured(received.tls)))))}</td>"
        f'<td class="time">{moment(received.at)}</td><td class="delay">{delay}</td><td class="share">{share}</td></tr>'
    )
