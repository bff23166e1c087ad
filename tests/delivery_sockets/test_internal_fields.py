"""Exchange's internal header fields on the way out: a connector that is not to retain them takes them out."""

import pytest

from staffetta.mail.content import MemoryContent
from staffetta.mail.outcome import Deferred, Delivered, Stage
from tests.delivery_sockets.carrying import Sender, consignment, run, settings_for
from tests.delivery_sockets.fake_hop import FakeHop

FIELDS = (
    b"X-MS-Exchange-Organization-SCL: -1\r\n",
    b"x-ms-exchange-crosspremises-authas: Internal\r\n",
    b"X-CrossPremisesHeadersPromoted:\r\n mail.contoso.test\r\n",
)
SUBJECT = b"Subject: X-MS-Exchange-Organization-SCL\r\n"
BODY = b"\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
WITH, WITHOUT = FIELDS[0] + SUBJECT + FIELDS[1] + FIELDS[2] + BODY, SUBJECT + BODY


class InPieces(MemoryContent):
    """Content that is not in memory as one piece."""

    @property
    def whole(self):
        return None


class Unreadable(InPieces):
    async def chunks(self):
        raise OSError(5, "Input/output error")
        yield b""


def send(content, **keys):
    async def main():
        hop = FakeHop()
        async with hop.listening():
            what = consignment("one@example.org", content=content)
            (outcome,) = await Sender(settings_for(hop, **keys)).send_and_close(what)
        return outcome, hop.messages

    return run(main())


@pytest.mark.parametrize("kind", [MemoryContent, InPieces])
@pytest.mark.parametrize(("keeps", "leaves"), [(True, WITH), (False, WITHOUT)])
def test_a_road_keeps_internal_fields_or_takes_them_out(kind, keeps, leaves):
    outcome, (message,) = send(kind(WITH), internal_fields=keeps)
    assert isinstance(outcome, Delivered)
    assert message.content == leaves


def test_content_that_cannot_be_read_waits():
    outcome, messages = send(Unreadable(WITH), internal_fields=False)
    assert isinstance(outcome, Deferred) and messages == []
    assert (outcome.status, outcome.stage) == ("4.3.0", Stage.DATA)
    assert outcome.diagnostic == "the content cannot be read: Input/output error"
