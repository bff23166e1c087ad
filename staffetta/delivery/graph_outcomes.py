"""From what Graph answered to an Outcome (docs/decisions/068-graph-and-sending-once.md).

Rule 1: 202 is delivered, whatever else stands in the answer: a Retry-After beside it has made others send twice.
Rule 2: to a request that sends, an answer that leaves open whether it was carried out (500, 502, 504) is Unknown, as is
a lost one. 429 and 503 say that it was not.
Rule 3: an error in our settings or rights waits for an administrator; an error of this message or sender goes back.
"""

from staffetta.delivery.graph_requests import Answer, NoAnswer
from staffetta.delivery.oauth import TokenUnavailable
from staffetta.mail.outcome import Deferred, Delivered, Failed, Handover, Outcome, Stage, Unknown

_NOT_DONE = (429, 503, 509)
_OPEN = (500, 502, 504)
_LOST = "4.4.2"

# Graph's and Exchange's codes for a request that was refused: the enhanced code, of which class 5 goes back.
_BY_CODE = {
    "ErrorSendAsDenied": "5.7.60",
    "ErrorInvalidRecipients": "5.1.3",
    "ErrorInvalidRecipientSubfolder": "5.1.3",
    "ErrorMessageSizeExceeded": "5.3.4",
    "ErrorExceededMessageLimit": "5.3.4",
    "ErrorMimeContentInvalid": "5.6.0",
    "ErrorMimeContentInvalidBase64String": "5.6.0",
    "ErrorInvalidRequest": "5.6.0",
    "ErrorTooManyRecipients": "5.5.3",
    "ErrorExceededRecipientLimit": "5.5.3",
    "ErrorMessageSubmissionBlocked": "5.1.8",
    "ErrorAccessDenied": "4.7.0",
    "Authorization_RequestDenied": "4.7.0",
    "AccessDenied": "4.7.0",
    "ErrorQuotaExceeded": "4.2.2",
    "ErrorSubmissionQuotaExceeded": "4.2.2",
    "ErrorMailboxMoveInProgress": "4.2.1",
    "ErrorMailboxStoreUnavailable": "4.2.1",
    "ErrorServerBusy": "4.3.2",
    "ErrorItemNotFound": "4.3.0",
    "MailboxNotEnabledForRESTAPI": "5.1.8",
    "MailboxNotSupportedForRESTAPI": "5.1.8",
    "ErrorInvalidUser": "5.1.8",
    "ErrorNonExistentMailbox": "5.1.8",
    "MailboxNotFound": "5.1.8",
    "Request_ResourceNotFound": "5.1.8",
    "ResourceNotFound": "5.1.8",
}
_BY_STATUS = {400: "5.6.0", 401: "4.7.0", 403: "4.7.0", 404: "5.1.8", 413: "5.3.4", 415: "5.6.0", 422: "5.6.0"}


def of_answer(answer: Answer, host: str, *, is_sending: bool, is_own_mailbox: bool) -> Outcome:
    """Return the outcome, the same for every recipient.

    is_sending: whether the request sends, rather than prepares. is_own_mailbox: whether the mailbox that Graph was told
    stands in the settings, so that its fault is the administrator's and not the sender's.
    """
    if answer.is_good:
        return Delivered(
            status="2.0.0",
            diagnostic=str(answer),
            stage=Stage.FINAL_DOT,
            host=host,
            address=answer.address,
            tls=answer.tls,
            handover=Handover.RELAYED,
        )
    status = _status(answer)
    if answer.status in _OPEN and is_sending and answer.code not in _BY_CODE:
        return Unknown(status=_LOST, diagnostic=str(answer), stage=Stage.FINAL_DOT, host=host, address=answer.address)
    if status == "5.1.8" and is_own_mailbox:
        status = "4.3.5"  # system incorrectly configured, RFC 3463 §3.4
    if status.startswith("5"):
        return Failed(
            status=status,
            diagnostic=str(answer),
            stage=Stage.FINAL_DOT,
            host=host,
            address=answer.address,
            tls=answer.tls,
        )
    return Deferred(
        status=status,
        diagnostic=str(answer),
        stage=Stage.FINAL_DOT,
        host=host,
        address=answer.address,
        tls=answer.tls,
        is_destination_trouble=answer.status in (401, *_NOT_DONE),
        retry_after_seconds=answer.retry_after_seconds,
    )


def of_lost_answer(lost: NoAnswer, host: str, *, is_sending: bool) -> Outcome:
    """Return the outcome of a request without an answer."""
    if lost.is_sent and is_sending:
        return Unknown(status=_LOST, diagnostic=str(lost), stage=Stage.FINAL_DOT, host=host)
    stage = Stage.DATA if lost.is_sent else Stage.CONNECT
    return Deferred(status="4.4.1", diagnostic=str(lost), stage=stage, host=host, is_destination_trouble=True)


def of_missing_token(missing: TokenUnavailable, host: str) -> Deferred:
    """Return the outcome where there is no token: all mail for this route waits."""
    return Deferred(
        status="4.7.0",
        diagnostic=str(missing),
        stage=Stage.AUTH,
        host=host,
        is_destination_trouble=True,
        retry_after_seconds=missing.retry_after_seconds,
    )


def _status(answer: Answer) -> str:
    if answer.status in _NOT_DONE:
        return "4.3.2"
    return _BY_CODE.get(answer.code) or _BY_STATUS.get(answer.status, "4.3.0")
