"""What a probe is: where it goes, what proves its arrival, and what came of it. And the message itself."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from staffetta.mail.address import Mailbox, parse_mailbox
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.settings.model import Settings
from staffetta.settings.probes import Expect, Probe
from staffetta.settings.secrets import read_secret

MARK = "X-Staffetta-Probe"


class ProbeFailed(Exception):
    """It did not arrive, or could not even be sent. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """location, password: of the place where it arrives, as in settings.probes.Probe, the password itself.

    keeps: what has arrived is left where it is; else a Maildir or a mailbox is tidied up.
    has_own_path: the reverse-path is the sender's with a subaddress (RFC 5233), by which a notification is known;
    without, it is known by its subject, which not every server repeats.
    """

    route: str
    to: Mailbox
    sender: Mailbox
    expect: Expect = Expect.NONE
    location: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = 300.0
    keeps: bool = False
    has_own_path: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """The message of one probe. token: stands in its mark and its Message-ID, and nowhere else in the world."""

    token: str
    envelope: Envelope
    content: bytes
    message_id: str


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the way. name: one of metrics.PROBE_LEGS. told: where it went, and what was said."""

    name: str
    seconds: float
    told: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a probe.

    sent_at: seconds since 1970. legs: as far as it came. trouble: why it did not arrive; None: it did.
    header: the header section of what arrived, where that could be read.
    """

    token: str
    queue_id: str
    message_id: str
    sent_at: float
    legs: tuple[Leg, ...]
    trouble: str | None = None
    header: str = ""

    @property
    def has_arrived(self) -> bool:
        return self.trouble is None


def usual_sender(settings: Settings) -> str:
    """Return who a probe is from when nobody says."""
    own = settings.accepted_domains
    return f"postmaster@{own[0].name if own else settings.hostname}"


def plan_of(probe: Probe, settings: Settings) -> Plan:
    """Return the plan that the settings declare. Raises SecretUnavailable."""
    return Plan(
        route=probe.route,
        to=parse_mailbox(probe.to),
        sender=parse_mailbox(probe.sender or usual_sender(settings)),
        expect=probe.expect,
        location=probe.location or "",
        password=read_secret(probe.password) if probe.password is not None else "",
        timeout_seconds=probe.timeout_seconds,
        has_own_path=probe.sender is None,
    )


def marked(plan: Plan, hostname: str, at: float) -> Marked:
    """Make the message. at: seconds since 1970.

    Notifications are asked for only where one is waited for, so that a dead road fills nobody's mailbox.
    """
    token = secrets.token_hex(10)
    message_id = f"<probe-{token}@{hostname}>"
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = str(plan.sender), str(plan.to)
    mail["Subject"] = f"Probe {token} of {hostname}"
    mail["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail[MARK] = token
    mail.set_content(f"{hostname} tries its road {plan.route}. That this arrived means that it works.\n")
    notify = Notify.SUCCESS | Notify.FAILURE if plan.expect is Expect.DSN else Notify.NEVER
    path = plan.sender
    if plan.has_own_path and plan.expect is Expect.DSN:
        path = parse_mailbox(f"{path.local_part}+probe-{token}@{path.domain}")
    envelope = Envelope(path, (Recipient(plan.to, notify),))
    return Marked(token, envelope, bytes(mail), message_id)
