"""What every request of one delivery through Graph has in common: the mailbox, the token source, the outcomes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from staffetta.delivery.graph_outcomes import of_answer, of_lost_answer
from staffetta.delivery.graph_requests import Answer, GraphRequests, NoAnswer
from staffetta.mail.outcome import Failed, Outcome, Stage

REQUEST_OCTETS_MAX = 4_000_000
"""Of one request, which holds MIME as base64. Microsoft says "4 MB" (learn.microsoft.com/graph/use-the-api, and
microsoftgraph/microsoft-graph-docs#13979 for MIME); the smaller reading of it is taken."""

MIME_OCTETS_MAX = REQUEST_OCTETS_MAX // 4 * 3


class Stopped(Exception):
    """The message will not be sent in this attempt; the outcome says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.diagnostic)
        self.outcome = outcome


def never(status: str, diagnostic: str) -> Failed:
    """Return the outcome of a message that Graph cannot be given."""
    return Failed(status=status, diagnostic=diagnostic, stage=Stage.DATA)


@dataclass(frozen=True, slots=True)
class Sending:
    """One message's delivery.

    source: name of the token source. mailbox_url: of the mailbox that sends. is_own_mailbox: it stands in the settings.
    announce: has the attempt on disk when it returns.
    """

    requests: GraphRequests
    source: str
    host: str
    mailbox_url: str
    is_own_mailbox: bool
    queue_id: str
    announce: Callable[[], Awaitable[None]]

    async def ask(self, method: str, url: str, body: bytes = b"", content_type: str | None = None) -> Answer:
        """Raises TokenUnavailable, NoAnswer."""
        headers = {"Content-Type": content_type} if content_type else None
        return await self.requests.ask(self.source, method, url, body, headers)

    async def prepare(self, url: str, body: bytes, content_type: str) -> Answer:
        """Post something that sends nothing, and return a good answer. Raises Stopped, TokenUnavailable."""
        try:
            answer = await self.ask("POST", url, body, content_type)
        except NoAnswer as lost:
            raise Stopped(of_lost_answer(lost, self.host, is_sending=False)) from None
        if not answer.is_good:
            raise Stopped(self.outcome(answer, is_sending=False))
        return answer

    def outcome(self, answer: Answer, *, is_sending: bool) -> Outcome:
        """See graph_outcomes.of_answer()."""
        return of_answer(answer, self.host, is_sending=is_sending, is_own_mailbox=self.is_own_mailbox)
