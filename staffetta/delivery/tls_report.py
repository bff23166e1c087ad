"""The report on TLS: what stands in it, where it goes, and the mail that carries it (RFC 8460)."""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from staffetta.delivery.mtasts import StsPolicy, print_policy
from staffetta.delivery.opening import Hop
from staffetta.delivery.tls_tally import SessionResult
from staffetta.delivery.trouble import HopTrouble
from staffetta.policy.certificate import names_match

_URIS_MAX = 10


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports. contact: a mailbox."""

    hostname: str
    contact: str

    @property
    def domain(self) -> str:
        return self.contact.rpartition("@")[2]


def read_rua(texts: Sequence[str]) -> list[str]:
    """Return where reports go, `mailto:` and `https:`; empty where TXT records at `_smtp._tls.` ask for none (§3)."""
    records = [text for text in texts if re.match(r"v=TLSRPTv1\s*(;|$)", text)]
    if len(records) != 1:
        return []
    for field in records[0].split(";")[1:]:
        key, _, value = field.strip().partition("=")
        if key.strip() == "rua":
            uris = [uri.strip() for uri in value.split(",")[:_URIS_MAX]]
            return [uri for uri in uris if uri.lower().startswith(("mailto:", "https://"))]
    return []


def mailbox_of(uri: str) -> str:
    """Return the mailbox of a `mailto:`."""
    return unquote(uri[len("mailto:") :].partition("?")[0])


def policy_of(domain: str, sts: StsPolicy | None, hop: Hop | None, *, announced: str | None = None) -> dict[str, Any]:
    """Return the report's `policy` object (§4.4). hop: None where there was none.

    announced: `sts` or `tlsa` where there is a policy, and it could not be had.
    """
    if hop is not None and hop.tls.tlsa:
        records = [f"{each.usage} {each.selector} {each.matching} {each.data.hex()}" for each in hop.tls.tlsa]
        return {"policy-type": "tlsa", "policy-string": records, "policy-domain": domain}
    if sts is not None:
        lines = print_policy(sts).splitlines()
        return {"policy-type": "sts", "policy-string": lines, "policy-domain": domain, "mx-host": list(sts.mx)}
    return {"policy-type": announced or "no-policy-found", "policy-domain": domain}


def result_of(trouble: HopTrouble, host: str) -> str:
    """Return the result type of a failure (§4.3)."""
    if trouble.result_type is not None:
        return trouble.result_type
    if trouble.status == "4.7.4":
        return "starttls-not-supported"
    if trouble.judgement is None or trouble.judgement.policy.startswith("dane"):
        return "validation-failure"
    if not any(names_match(host, name) for name in trouble.judgement.names):
        return "certificate-host-mismatch"
    return "certificate-not-trusted"


def document(reporter: Reporter, domain: str, day: str, results: Sequence[tuple[SessionResult, int]]) -> dict[str, Any]:
    """Return the report on a domain's day (§4.4)."""
    policies: dict[str, list[tuple[SessionResult, int]]] = {}
    for result, sessions in results:
        policies.setdefault(result.policy, []).append((result, sessions))
    return {
        "organization-name": reporter.domain,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": reporter.contact,
        "report-id": _report_id(reporter, domain, day),
        "policies": [
            {
                "policy": json.loads(policy),
                "summary": {
                    "total-successful-session-count": sum(n for result, n in those if not result.result),
                    "total-failure-session-count": sum(n for result, n in those if result.result),
                },
                "failure-details": [_failure(result, n) for result, n in those if result.result],
            }
            for policy, those in policies.items()
        ],
    }


def packed(report: dict[str, Any]) -> bytes:
    """Return the report as `application/tlsrpt+gzip`; the same for the same report."""
    return gzip.compress(json.dumps(report, indent=1).encode(), mtime=0)


def mail(reporter: Reporter, to: str, domain: str, day: str, octets: bytes, at: datetime) -> bytes:
    """Return the content of the mail that carries a packed report (§5.3). at: aware."""
    report_id, boundary = _report_id(reporter, domain, day), f"tlsrpt-{day}-{domain}"[:70]
    start = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp())
    name = f"{reporter.domain}!{domain}!{start}!{start + 86_399}.json.gz"
    lines = [
        f"From: {reporter.contact}",
        f"To: {to}",
        f"Date: {format_datetime(at)}",
        f"Subject: Report Domain: {domain} Submitter: {reporter.domain} Report-ID: <{report_id}>",
        f"Message-ID: <{report_id}>",
        f"TLS-Report-Domain: {domain}",
        f"TLS-Report-Submitter: {reporter.domain}",
        "TLS-Required: No",  # §5.3: what it tells of must not keep it from arriving
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the report of {reporter.domain} on TLS with the mail exchangers of {domain} on {day}.",
        "",
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{name}"',
        "",
        *base64.encodebytes(octets).decode().splitlines(),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def _report_id(reporter: Reporter, domain: str, day: str) -> str:
    return f"{day}.{domain}@{reporter.hostname}"


def _failure(result: SessionResult, sessions: int) -> dict[str, Any]:
    told = {
        "result-type": result.result,
        "receiving-mx-hostname": result.host,
        "receiving-ip": result.address,
        "failure-reason-code": result.reason,
    }
    return {key: value for key, value in told.items() if value} | {"failed-session-count": sessions}
