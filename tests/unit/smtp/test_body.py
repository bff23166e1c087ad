"""The limit on lines is exact, however long the lines are and however the content is cut."""

import pytest

from staffetta.smtp.body import LINE_OCTETS_MAX, DataReader, Gatherer
from staffetta.smtp.events import ContentFault

SHORT = b"y" * 70 + b"\r\n"


def fault_of(content: bytes, piece_octets: int) -> ContentFault | None:
    gatherer = Gatherer(size_max=len(content), part_octets=len(content))
    reader = DataReader(gatherer)
    wire = content + b".\r\n"
    for start in range(0, len(wire), piece_octets):
        reader.read(wire[start : start + piece_octets])
    return gatherer.fault


@pytest.mark.parametrize("piece_octets", [1000, 65_537, 262_144, 10_000_000])
@pytest.mark.parametrize("before", [b"", SHORT, SHORT * 2000])
@pytest.mark.parametrize("after", [b"", SHORT, SHORT * 2000])
def test_line_of_the_limit_passes_and_one_octet_more_does_not(before: bytes, after: bytes, piece_octets: int) -> None:
    longest = b"x" * LINE_OCTETS_MAX
    assert fault_of(before + longest + b"\r\n" + after, piece_octets) is None
    assert fault_of(before + longest + b"x\r\n" + after, piece_octets) is ContentFault.LINE_TOO_LONG


@pytest.mark.parametrize(
    "wire", [b".\r\n.\r\n", b"..\r\n.\r\n", b"a.b\r\n.\r\n", b"a\r\n..\r\n.\r\n", b"..a\r\n..b\r\n.\r\n"]
)
def test_content_with_and_without_dot_lines_is_unstuffed(wire: bytes) -> None:
    gatherer = Gatherer(size_max=1000, part_octets=1000)
    assert DataReader(gatherer).read(wire + b"QUIT\r\n") in (b"QUIT\r\n", b".\r\nQUIT\r\n")
    expected = b"".join(line.removeprefix(b".") for line in wire.removesuffix(b".\r\n").splitlines(keepends=True))
    assert gatherer.part(is_end=True) == (b"" if wire == b".\r\n.\r\n" else expected)
