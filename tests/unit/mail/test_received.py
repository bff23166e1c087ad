"""The Received field that we write, and counting hops."""

import email.utils

import pytest

from staffetta.mail.header import HeaderSection
from staffetta.mail.received import clauses, count_hops, date_time, received_field, with_keyword

AT = 1_630_629_731


def field(**changes):
    values = {"helo": "mail.contoso.com", "peer": "203.0.113.7", "hostname": "relay.example", "local": "192.0.2.1"}
    values |= {"protocol": "ESMTP", "tls": None} | changes
    return received_field(clauses(**values), "0123456789ABC", AT)


def test_the_field_is_in_the_manner_of_exchange():
    assert field(protocol="ESMTPS", tls=("TLSv1.3", "TLS_AES_256_GCM_SHA384")) == (
        b"Received: from mail.contoso.com (203.0.113.7)\r\n"
        b" by relay.example (192.0.2.1)\r\n"
        b" with ESMTPS\r\n"
        b" (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 0123456789ABC;\r\n"
        b" Fri, 3 Sep 2021 00:42:11 +0000\r\n"
    )


@pytest.mark.parametrize(
    "helo", ["a)\r\nBcc: x", "a (comment", "a; b", "x" * 5000, "b\u00fccher.example", "\x00\x1b[31m", "a b"]
)
def test_a_hostile_helo_cannot_leave_its_place(helo):
    written = field(helo=helo)
    assert written.isascii() and written.count(b"\r\n") == 4 and written.count(b"(") == 2
    assert all(len(line) <= 998 for line in written.split(b"\r\n"))
    assert (written.startswith(b"Received: from ") and b"?" in written) or len(helo) > 255


def test_without_helo_the_address_stands_for_the_name():
    assert field(helo=None).startswith(b"Received: from [203.0.113.7] (203.0.113.7)\r\n")


@pytest.mark.parametrize(
    ("is_esmtp", "is_tls", "is_utf8", "keyword"),
    [
        (False, False, False, "SMTP"),
        (True, False, False, "ESMTP"),
        (True, True, False, "ESMTPS"),
        (True, False, True, "UTF8SMTP"),
        (True, True, True, "UTF8SMTPS"),
        (False, True, False, "SMTP"),
    ],
)
def test_the_protocol_has_its_registered_name(is_esmtp, is_tls, is_utf8, keyword):
    assert with_keyword(is_esmtp=is_esmtp, is_tls=is_tls, is_utf8=is_utf8) == keyword


def test_hops_are_counted():
    assert count_hops(HeaderSection(field() * 3 + b"Subject: x\r\n")) == 3


def test_the_date_is_read_back_by_others():
    assert email.utils.parsedate_to_datetime(date_time(AT)).timestamp() == AT
