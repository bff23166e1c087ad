"""Row 10: what comes by the API is looked at as strictly as what comes by SMTP; no field becomes two.

PHPMailer CVE-2015-8476 and its kind: a line end within a name, a subject or an address.
"""

import re
from pathlib import Path

import pytest

from staffetta.operations.errors import OperationError
from tests.live.sink import EVERYTHING, Sink
from tests.unit.operations.office import Office
from tests.unit.operations.test_send_test import knowing, sent

PLACES = ("From", "To", "Subject", "HeloName")
ENDS = ("\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
INJECTED = "Bcc: eve@outside.example"


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
def test_row_10_no_value_of_the_api_becomes_a_field_or_a_command(place: str, end: str, tmp_path: Path) -> None:
    """It is refused, or arrives as one field and for those alone who were named."""
    usual = {"From": "ada@contoso.com", "To": "bob@example.org", "Subject": "x", "HeloName": "probe.contoso.com"}
    value = f"{usual[place]}{end}{INJECTED}{end}RCPT TO:<eve@outside.example>{end}"
    with Sink(*EVERYTHING) as sink, Office(tmp_path) as office:
        try:
            sent(knowing(office, ("127.0.0.1", sink.port)), sink.port, **{place: value})
        except OperationError:
            assert sink.arrivals == []
            return
        for arrival in sink.arrivals:
            header, _, _ = arrival.content.partition(b"\r\n\r\n")
            assert not re.search(rb"(?im)^(bcc|rcpt)", header.replace(b"\r", b"\n")), header
            assert [each.address for each in arrival.recipients] == ["bob@example.org"]
