"""Whatever a header section looks like: after rewriting it has one author, ours, and every other octet as it came."""

from email import policy
from email.parser import BytesParser
from email.utils import getaddresses

from hypothesis import example, given
from hypothesis import strategies as st

from staffetta.mail.address import parse_mailbox
from staffetta.mail.header import HeaderSection
from staffetta.policy.rewriting import rewritten_header
from staffetta.settings.objects import InboundConnector, SenderRewriting

RELAY = "relay@contoso.test"
FORCE = InboundConnector(name="printers", sender_rewriting=SenderRewriting.FORCE, rewritten_sender=RELAY)
NAMES = ["From", "FROM", "from ", "Sender", "Reply-To", "Subject", "To", "X-From", "Fromage", "Resent-From", ""]
OURS = (b"from", b"sender", b"reply-to")

words = st.sampled_from(
    ["x@lan.test", "<x@lan.test>", "Jane", '"Doe, J"', "(at home)", "=?utf-8?q?=41?=", *',;:<>"(@'],
)
values = st.lists(st.one_of(words, st.text(alphabet='a@.<>()[]:;,"\\é\xa0\x01', max_size=8)), max_size=6)
fields = st.tuples(
    st.sampled_from(NAMES), values, st.sampled_from([" ", "\r\n ", "\r\n\t", ""]), st.sampled_from(["utf-8", "latin-1"])
).map(lambda parts: f"{parts[0]}:{parts[2].join(['', *parts[1]])}\r\n".encode(parts[3]))
sections = st.lists(fields, max_size=6).map(b"".join)


def without_ours(octets: bytes) -> bytes:
    section = HeaderSection(octets)
    return section.replaced({field: b"" for name in OURS for field in section.fields(name)})


def values_of(octets: bytes, name: bytes) -> list[bytes]:
    section = HeaderSection(octets)
    return [octets[field.start : field.end] for field in section.fields(name)]


@given(sections, st.sampled_from([None, "x@lan.test"]))
@example(b"From: x@lan.test\r\n \r\n" + b"Subject: a\r\n", None)
def test_other_octets_stay_and_one_author_is_left(came: bytes, reverse_path: str | None) -> None:
    mailbox = parse_mailbox(reverse_path) if reverse_path else None
    found = rewritten_header(FORCE, mailbox, HeaderSection(came))
    if found is None:
        return
    assert without_ours(found.octets) == without_ours(came)
    if replies := values_of(came, b"reply-to"):
        assert values_of(found.octets, b"reply-to") == replies
    assert len(values_of(found.octets, b"reply-to")) <= max(1, len(replies))
    if found.field == "from":
        (author,) = values_of(found.octets, b"from")
        assert b"\r\n\r\n" not in found.octets
        assert author.endswith((b" relay@contoso.test\r\n", b"<relay@contoso.test>\r\n"))
        assert values_of(found.octets, b"sender") == []


@given(sections)
def test_what_was_rewritten_stays(came: bytes) -> None:
    found = rewritten_header(FORCE, parse_mailbox("x@lan.test"), HeaderSection(came))
    if found is not None:
        assert rewritten_header(FORCE, parse_mailbox(RELAY), HeaderSection(found.octets)) is None


@given(values)
def test_another_reader_finds_our_address_alone(value: list[str]) -> None:
    came = HeaderSection(f"From: {' '.join(value)}\r\n".encode())
    found = rewritten_header(FORCE, None, came)
    if found is not None:
        message = BytesParser(policy=policy.compat32).parsebytes(found.octets + b"\r\n")
        assert [address for _, address in getaddresses([str(message["From"])])] == [RELAY]
