"""What can go wrong with a next hop before it has answered for the content."""

from staffetta.mail.outcome import Stage, TlsJudgement
from staffetta.smtp.remote_reply import RemoteReply


class HopTrouble(Exception):
    """This next hop is of no use now; another one may be. The message itself is not to blame.

    status: class 4; class 5 where waiting would not help, so that the message goes back unless another hop is of use.
    diagnostic: the remote's reply, or our words. is_remote_reply: which of the two.
    address, tls, judgement: as in an Outcome, set where a connection was made.
    result_type: what a report on TLS calls it (RFC 8460 §4.3), where that does not follow from the rest.
    """

    def __init__(self, status: str, diagnostic: str, stage: Stage, *, is_remote_reply: bool = False) -> None:
        super().__init__(diagnostic)
        self.status = status
        self.diagnostic = diagnostic
        self.stage = stage
        self.is_remote_reply = is_remote_reply
        self.address: str | None = None
        self.tls: str | None = None
        self.judgement: TlsJudgement | None = None
        self.result_type: str | None = None

    @property
    def is_permanent(self) -> bool:
        return self.status.startswith("5")


def refused_session(reply: RemoteReply, stage: Stage) -> HopTrouble:
    """The hop does not want to talk to us (421, a refused greeting or EHLO). A 5yz, too, is about it, not the mail.

    RFC 3463 §3.4: where its own enhanced code does not say otherwise, 4.3.2, "system not accepting messages".
    """
    enhanced = reply.enhanced_code
    status = enhanced if enhanced and reply.is_transient else "4.3.2"
    return HopTrouble(status, str(reply), stage, is_remote_reply=True)
