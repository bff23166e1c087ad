"""Every metric: name, unit, labels, help. The reference page docs/metrics.md is generated from here.

Rule 1: base units: `_total` counts, `_bytes` octets, `_seconds` time.
Rule 2: label values are bounded: names from the settings and words of ours, never a domain or an address of a peer.
Rule 3: hot paths hold the result of `.labels(...)`; a look-up per message costs more than the count itself.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from staffetta import __version__
from staffetta.mail.tolerance import Tolerance

AUTHENTICATION_MECHANISMS = ("LOGIN", "PLAIN", "XOAUTH2")
SESSION_RESULTS = ("quit", "lost", "timeout", "refused", "closed")
"""quit: the client said QUIT. lost: it went away without. timeout: it said nothing for too long. refused: at connect.
closed: we ended it with 421 or 521 (too many faults, draining, smuggling)."""

ATTEMPT_RESULTS = ("delivered", "deferred", "failed", "unknown")
RECIPIENT_STATES = ("ready", "in attempt", "deferred", "held")
QUEUE_PARTS = ("poll", "orders", "settler", "lane")
"""poll: looks for what is due. orders: carries out what administrators ask. settler: writes outcomes down.
lane: carries messages to one destination."""

PROBE_RESULTS = ("arrived", "failed")
PROBE_LEGS = ("queue", "handover", "arrival")
"""queue: until the attempt. handover: to the next hop. arrival: from there to where it is looked for."""
TOKEN_RESULTS = ("got", "failed")
ACME_RESULTS = ("issued", "failed")
LOGIN_RESULTS = ("accepted", "failed")
TLS_DIRECTIONS = ("inbound", "outbound")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, that says when the process started

_COMMIT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_DELIVERY_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 14400, 86400, 172800)

SESSIONS = Counter("staffetta_sessions_total", "Sessions that ended, by listener and how.", ["listener", "result"])
SESSIONS_OPEN = Gauge("staffetta_sessions_open", "Sessions that are open now, by listener.", ["listener"])
MESSAGES_RECEIVED = Counter("staffetta_messages_received_total", "Messages answered with 250.", ["listener"])
RECEIVED_BYTES = Counter(
    "staffetta_received_bytes_total", "Octets of content of messages answered with 250.", ["listener"]
)
CONNECTOR_MESSAGES = Counter(
    "staffetta_connector_messages_total",
    "Messages answered with 250, by the inbound connector that let them in; empty where none did.",
    ["connector"],
)
SENDERS_REWRITTEN = Counter(
    "staffetta_senders_rewritten_total", "Messages answered with 250 whose sender a connector has rewritten."
)
SIGNATURES_BROKEN = Counter(
    "staffetta_signatures_broken_total", "Messages of these that had a DKIM signature, which rewriting has broken."
)
REFUSALS = Counter("staffetta_refusals_total", "Connections, commands and messages that policy refused.", ["reason"])
REFUSALS_UNTOLD = Counter(
    "staffetta_refusals_untold_total", "Refusals of strangers, of these, that a flood kept out of trace and log."
)
TOLERATED = Counter(
    "staffetta_tolerated_total", "Messages answered with 250 that a tolerance was needed for.", ["tolerance"]
)
STRESSED = Gauge("staffetta_stressed", "1 while places or memory are short and strangers must hurry.")
AUTHENTICATIONS = Counter(
    "staffetta_authentications_total", "Clients that logged in; who could not is among the refusals.", ["mechanism"]
)
NEXT_HOP_UP = Gauge(
    "staffetta_next_hop_up", "1 where the last attempt at a next hop got through, 0 while it rests.", ["route", "host"]
)
TLS_SESSIONS = Counter(
    "staffetta_tls_sessions_total", "TLS handshakes completed, by direction and version.", ["direction", "version"]
)
ATTEMPTS = Counter("staffetta_attempts_total", "Outcomes of attempts, one per recipient.", ["route", "result"])
NEXT_HOP_LOGINS = Counter("staffetta_next_hop_logins_total", "Logins of ours to next hops.", ["route", "result"])
DELIVERY_SECONDS = Histogram(
    "staffetta_delivery_seconds", "From the 250 to the client to the recipient's delivery.", buckets=_DELIVERY_BUCKETS
)
QUEUE_RECIPIENTS = Gauge("staffetta_queue_recipients", "Recipients that are not closed.", ["route", "state"])
QUEUE_OLDEST_AGE = Gauge(
    "staffetta_queue_oldest_age_seconds", "Age of the oldest message in the queue, 0 when it is empty.", ["route"]
)
QUEUE_FAULTS = Counter("staffetta_queue_faults_total", "Errors of ours that a part of the queue survived.", ["part"])
SPOOL_FREE_BYTES = Gauge("staffetta_spool_free_bytes", "Free disk space under the spool.")
SPOOL_TROUBLE = Gauge("staffetta_spool_trouble", "1 while new mail is refused because the spool cannot keep it.")
COMMIT_SECONDS = Histogram(
    "staffetta_spool_commit_seconds", "Duration of one spool transaction.", buckets=_COMMIT_BUCKETS
)
COMMIT_BATCH = Histogram(
    "staffetta_spool_batch_size", "Changes written by one spool transaction.", buckets=_BATCH_BUCKETS
)
PROBES = Counter("staffetta_probes_total", "Probes by the clock that ended, by how.", ["probe", "result"])
PROBE_SUCCESS = Gauge(
    "staffetta_probe_last_success_timestamp_seconds",
    "When the last probe that arrived was sent, in seconds since 1970; 0 before the first.",
    ["probe"],
)
PROBE_LEG_SECONDS = Gauge(
    "staffetta_probe_leg_seconds", "How long each leg of the last probe that arrived took.", ["probe", "leg"]
)
CERTIFICATE_EXPIRY = Gauge(
    "staffetta_certificate_expiry_timestamp_seconds",
    "When the certificate ends, in seconds since 1970; where there are several of a name, the first that ends.",
    ["use", "name"],
)
TOLERANCE_END = Gauge(
    "staffetta_tolerance_end_timestamp_seconds", "When a tolerance ends, in seconds since 1970.", ["name"]
)
TOKEN_AGE = Gauge(
    "staffetta_oauth_token_age_seconds", "Age of the access token in use, 0 while there is none.", ["source"]
)
TOKEN_EXPIRY = Gauge(
    "staffetta_oauth_token_expiry_timestamp_seconds", "When the access token ends, in seconds since 1970.", ["source"]
)
TOKEN_REQUESTS = Counter("staffetta_oauth_requests_total", "Access tokens asked for.", ["source", "result"])
LOG_LINES_LOST = Counter("staffetta_log_lines_lost_total", "Log lines that could not be written.")
ACME_ORDERS = Counter("staffetta_acme_orders_total", "Certificates ordered by ACME.", ["result"])
ACME_FAILURES = Gauge("staffetta_acme_failures", "Orders of a certificate that failed since the last one issued.")
ACME_NEXT_ORDER = Gauge(
    "staffetta_acme_next_order_timestamp_seconds", "When a certificate is ordered next, in seconds since 1970; else 0."
)
DRAINING = Gauge("staffetta_draining", "1 while the relay finishes its work before it stops.")
BUILD_INFO = Gauge("staffetta_build_info", "Always 1; the label tells the version.", ["version"])


OF_ALL: dict[str, Callable[[Sequence[float]], float]] = {
    "staffetta_stressed": max,
    "staffetta_next_hop_up": min,
    "staffetta_queue_oldest_age_seconds": max,
    "staffetta_spool_free_bytes": min,
    "staffetta_spool_trouble": max,
    "staffetta_probe_last_success_timestamp_seconds": max,
    "staffetta_probe_leg_seconds": max,
    "staffetta_certificate_expiry_timestamp_seconds": max,
    "staffetta_tolerance_end_timestamp_seconds": max,
    "staffetta_oauth_token_age_seconds": max,
    "staffetta_oauth_token_expiry_timestamp_seconds": max,
    "staffetta_acme_next_order_timestamp_seconds": max,
    "staffetta_acme_failures": max,
    "staffetta_draining": max,
    "staffetta_build_info": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
    "python_info": max,
}
"""What is shown of several workers where it is not the sum (tally.py)."""
ADDED_GAUGES = frozenset({"staffetta_sessions_open", "staffetta_queue_recipients"})


def all_metrics() -> list[Counter | Gauge | Histogram]:
    """Return every metric, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Counter | Gauge | Histogram)]


def present_at_zero(
    *,
    listeners: Iterable[str],
    routes: Iterable[str],
    reasons: Iterable[str],
    connectors: Iterable[str] = (),
    token_sources: Iterable[str] = (),
    probes: Iterable[str] = (),
) -> None:
    """Create every label combination that can occur, so that a rate over it is right from the first event.

    listeners, routes, connectors, token_sources, probes: names from the settings. reasons: the words of policy's
    refusals.
    """
    BUILD_INFO.labels(__version__).set(1)
    for result in ACME_RESULTS:
        ACME_ORDERS.labels(result)
    for listener in listeners:
        SESSIONS_OPEN.labels(listener)
        MESSAGES_RECEIVED.labels(listener)
        RECEIVED_BYTES.labels(listener)
        for result in SESSION_RESULTS:
            SESSIONS.labels(listener, result)
    for connector in ("", *connectors):
        CONNECTOR_MESSAGES.labels(connector)
    for route in routes:
        QUEUE_OLDEST_AGE.labels(route)
        for result in ATTEMPT_RESULTS:
            ATTEMPTS.labels(route, result)
        for result in LOGIN_RESULTS:
            NEXT_HOP_LOGINS.labels(route, result)
        for state in RECIPIENT_STATES:
            QUEUE_RECIPIENTS.labels(route, state)
    for source in token_sources:
        TOKEN_AGE.labels(source)
        TOKEN_EXPIRY.labels(source)
        for result in TOKEN_RESULTS:
            TOKEN_REQUESTS.labels(source, result)
    for probe in probes:
        PROBE_SUCCESS.labels(probe)
        for result in PROBE_RESULTS:
            PROBES.labels(probe, result)
        for leg in PROBE_LEGS:
            PROBE_LEG_SECONDS.labels(probe, leg)
    for reason in reasons:
        REFUSALS.labels(reason)
    for tolerance in Tolerance:
        TOLERATED.labels(tolerance)
    for mechanism in AUTHENTICATION_MECHANISMS:
        AUTHENTICATIONS.labels(mechanism)
    for part in QUEUE_PARTS:
        QUEUE_FAULTS.labels(part)
    for direction in TLS_DIRECTIONS:
        for version in TLS_VERSIONS:
            TLS_SESSIONS.labels(direction, version)
