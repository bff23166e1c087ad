"""From what a next hop answered to one outcome per recipient (RFC 5321 §4.2.1, RFC 3463, RFC 3461 §5.2)."""

from staffetta.delivery.channel import Channel
from staffetta.delivery.mx import NoExchanger
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.outcome import Deferred, Delivered, Failed, Handover, Outcome, Stage, Unknown
from staffetta.smtp.client import SERVICE_CLOSING, Transaction
from staffetta.smtp.remote_reply import RemoteReply

DIAGNOSTIC_LENGTH_MAX = 2000  # characters; it is kept in the spool and in the trace, and somebody else wrote it

# RFC 4954 §6: at MAIL these are about us, who have not logged in as the next hop wants; all mail would meet the same.
_WANTS_LOGIN = (530, 534, 535, 538)

LOST_REPLY = "the connection was lost after the final dot; the next hop may have the message or not"


def transaction_outcomes(
    channel: Channel, transaction: Transaction, recipient_count: int, trouble: HopTrouble | None = None
) -> list[Outcome]:
    """Return the outcomes of a transaction, in the order of its RCPTs.

    trouble: what ended it after its content was complete; recipients without a final reply are then unknown.
    """
    if transaction.mail is not None and not transaction.mail.is_positive:
        return [_refusal(channel, transaction.mail, Stage.MAIL)] * recipient_count
    outcomes: list[Outcome] = []
    final = iter(transaction.final)
    latest: Outcome | None = None
    for reply in transaction.recipients:
        if not reply.is_positive:
            outcomes.append(_refusal(channel, reply, Stage.RCPT))
        elif transaction.data is not None and not transaction.data.is_intermediate:
            outcomes.append(_refusal(channel, transaction.data, Stage.DATA))
        else:
            if latest is None or channel.session.is_lmtp:
                latest = _final(channel, next(final, None), trouble)
            outcomes.append(latest)
    return outcomes


def trouble_outcome(trouble: HopTrouble, host: str) -> Deferred | Failed:
    """The outcome for all recipients where the last next hop was of no use."""
    if trouble.is_permanent:
        return Failed(
            status=trouble.status,
            diagnostic=trouble.diagnostic,
            stage=trouble.stage,
            host=host,
            address=trouble.address,
            tls=trouble.tls,
            judgement=trouble.judgement,
        )
    return Deferred(
        status=trouble.status,
        diagnostic=trouble.diagnostic,
        stage=trouble.stage,
        is_remote_reply=trouble.is_remote_reply,
        host=host,
        address=trouble.address,
        tls=trouble.tls,
        judgement=trouble.judgement,
        is_destination_trouble=True,
    )


def unroutable_outcome(error: NoExchanger) -> Deferred | Failed:
    """The outcome for all recipients of a domain whose mail has nowhere to go."""
    if error.status.startswith("5"):
        return Failed(status=error.status, diagnostic=error.diagnostic, stage=Stage.ROUTE)
    return Deferred(status=error.status, diagnostic=error.diagnostic, stage=Stage.ROUTE, is_destination_trouble=True)


def unreadable_outcome(error: OSError, host: str | None = None) -> Deferred:
    """The outcome where the content cannot be read: trouble of ours, and of this message alone."""
    diagnostic = f"the content cannot be read: {error.strerror or error}"
    return Deferred(status="4.3.0", diagnostic=diagnostic, stage=Stage.DATA, host=host)


def handover(channel: Channel) -> Handover:
    """Who reports success. LMTP without DSN is a mailbox at the end of the road (RFC 2033 §1)."""
    if channel.session.capabilities.dsn:
        return Handover.PASSED_ON
    return Handover.FINAL if channel.session.is_lmtp else Handover.RELAYED


def _final(channel: Channel, reply: RemoteReply | None, trouble: HopTrouble | None) -> Outcome:
    if reply is None:
        return Unknown(
            status="4.4.2",
            diagnostic=f"{LOST_REPLY} ({trouble})" if trouble else LOST_REPLY,
            stage=Stage.FINAL_DOT,
            host=channel.host,
            address=channel.address,
            tls=channel.tls,
            judgement=channel.judgement,
        )
    if not reply.is_positive:
        return _refusal(channel, reply, Stage.FINAL_DOT)
    return Delivered(
        status=_status(reply),
        diagnostic=_diagnostic(reply),
        stage=Stage.FINAL_DOT,
        is_remote_reply=True,
        host=channel.host,
        address=channel.address,
        tls=channel.tls,
        judgement=channel.judgement,
        handover=handover(channel),
    )


def _refusal(channel: Channel, reply: RemoteReply, stage: Stage) -> Outcome:
    wants_login = stage is Stage.MAIL and reply.code in _WANTS_LOGIN
    if reply.is_permanent and not wants_login and not _is_too_many_recipients(reply, stage):
        return Failed(
            status=_status(reply),
            diagnostic=_diagnostic(reply),
            stage=stage,
            is_remote_reply=True,
            host=channel.host,
            address=channel.address,
            tls=channel.tls,
            judgement=channel.judgement,
        )
    return Deferred(
        status=f"4{_status(reply)[1:]}" if reply.is_transient or wants_login else "4.5.3",
        diagnostic=_diagnostic(reply),
        stage=stage,
        is_remote_reply=True,
        host=channel.host,
        address=channel.address,
        tls=channel.tls,
        judgement=channel.judgement,
        is_destination_trouble=wants_login or reply.code == SERVICE_CLOSING,
    )


def _is_too_many_recipients(reply: RemoteReply, stage: Stage) -> bool:
    """RFC 5321 §4.5.3.1.10: 552 to RCPT is an old spelling of 452, unless it says that it means something else."""
    return stage is Stage.RCPT and reply.code == 552 and reply.enhanced_code in (None, "5.5.3")


def _diagnostic(reply: RemoteReply) -> str:
    return str(reply)[:DIAGNOSTIC_LENGTH_MAX]


def _status(reply: RemoteReply) -> str:
    return reply.enhanced_code or f"{reply.code // 100}.0.0"
