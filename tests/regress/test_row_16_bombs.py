"""Row 16: a header or a message that was made to keep the analyzer busy does not; nothing in it is unpacked.

How its effort grows, in calls, shows tests/unit/analyzer/test_hostile.py. Here: too much is refused before it is read,
depth costs no stack, and what looks like an archive stays text (CVE-2024-39929: a name over several parameters).
"""

import ast
from pathlib import Path

import pytest

import staffetta.analyzer
from staffetta.analyzer.fields import NotHeaders
from staffetta.analyzer.report import analyze
from staffetta.analyzer.source import BODY_OCTETS_MAX, NotWhole, source_of
from staffetta.operations.errors import OperationError
from tests.unit.analyzer.test_hostile import CPU_SECONDS_MAX, stopped_after
from tests.unit.operations.office import Office

HEAD = "Received: from a (1.2.3.4) by b; Fri, 3 Sep 2021 00:42:11 +0000\nSubject: x\n"
DEPTH = 20_000
PARTS = "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(DEPTH))
BOMBS = {
    "comments within comments": f"Received: from a {'(' * DEPTH}{')' * DEPTH} by b\n",
    "quotes that do not end": 'From: "' + '\\"' * DEPTH + "\n",
    "groups within groups": "From: " + "a:" * DEPTH + ";" * DEPTH + "\n",
    "routes within brackets": "From: " + "<" * DEPTH + "@" * DEPTH + ">" * DEPTH + "\n",
    "encoded words within words": "Subject: " + "=?utf-8?q?" * DEPTH + "?=" * DEPTH + "\n",
    "a name in a thousand parts": "Content-Disposition: attachment"
    + "".join(f";\n filename*{n}=x" for n in range(999)),
    "parts within parts": HEAD + "Content-Type: multipart/mixed; boundary=b0\n\n" + PARTS,
    "a folded line of 200 KiB": "Subject: x\n" + " x\n" * 70_000,
    "one field again and again": "X-A: b\n" * 30_000,
    "signatures without end": "DKIM-Signature: v=1; b=" + "A" * 200_000 + "\n",
    "an archive": HEAD + "Content-Type: application/zip\nContent-Transfer-Encoding: base64\n\nUEsDBBQ" + "A" * 200_000,
}


@pytest.mark.parametrize("which", BOMBS)
def test_row_16_what_was_made_to_keep_the_analyzer_does_not(which: str) -> None:
    with stopped_after(CPU_SECONDS_MAX):
        try:
            analyze(BOMBS[which])
        except NotHeaders:
            return


def test_row_16_more_than_a_mebibyte_of_headers_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with Office(tmp_path) as office, pytest.raises(OperationError, match="Headers"):
        office("Get-HeaderAnalysis", Headers=HEAD + "x" * (1024 * 1024))


def test_row_16_a_body_beyond_the_limit_is_not_signed_over() -> None:
    with pytest.raises(NotWhole, match="more than"):
        source_of(b"Subject: x\r\n\r\n" + b"x" * (BODY_OCTETS_MAX + 1))


UNPACKERS = {"zipfile", "tarfile", "gzip", "bz2", "lzma", "zlib", "xml", "email"}


def test_row_16_the_analyzer_has_nothing_to_unpack_with() -> None:
    for path in Path(staffetta.analyzer.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & UNPACKERS, path.name
