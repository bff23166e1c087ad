"""Received fields as many servers write them."""

import pytest

from staffetta.analyzer.received import Received, Tls, read_received

EXCHANGE = (
    "from mail.contoso.com (203.0.113.7) by DM6NAM11FT068.mail.protection.outlook.com (10.13.173.67)"
    " with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384) id 15.20.4478.19"
    " via Frontend Transport; Fri, 3 Sep 2021 00:42:11 +0000"
)
POSTFIX = (
    "from app (app.contoso.com [10.1.2.3]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
    " key-exchange X25519 server-signature RSA-PSS (2048 bits)) (Authenticated sender: app) by mail.contoso.com"
    " (Postfix) with ESMTPSA id 4ABC for <bob@fabrikam.com>; Fri,  3 Sep 2021 02:42:11 +0200 (CEST)"
)
EXIM = (
    "from [198.51.100.9] (port=4711 helo=laptop) by mx.example with esmtpsa  (TLS1.3) tls TLS_AES_128_GCM_SHA256"
    " (Exim 4.96) (envelope-from <a@b.example>) id 1abc-0001; Fri, 03 Sep 2021 00:42:11 +0000"
)
EXIM_OLD = (
    "from host.example ([2001:db8::1]:5) by mx.example with esmtps (TLSv1:AES256-SHA:256) (Exim 4.72) id 1;"
    " 3 Sep 2021 0:42:11 Z"
)
SENDMAIL = (
    "from relay.example (relay.example [192.0.2.5] (may be forged)) by mx.example (8.14.4/8.14.4) with ESMTP id u1 "
    "(version=TLSv1/SSLv3 cipher=DHE-RSA-AES256-SHA bits=256 verify=NO); Fri, 3 Sep 2021 00:42:11 GMT"
)
GMAIL = "by 2002:a05:6214:1c83:b0:5f1:6892:7413 with SMTP id ib3csp1; Thu, 2 Sep 2021 17:42:11 -0700 (PDT)"
QMAIL = (
    "from unknown (HELO mail.example) (user@192.0.2.8) by 0 with (DHE-RSA-AES256-SHA encrypted) SMTP;"
    " 3 Sep 2021 00:42:11 -0000"
)
QMAIL_LOCAL = "(qmail 10876 invoked from network); 3 Sep 2021 00:42:11 -0000"
PICKUP = "from mail pickup service by H with Microsoft SMTPSVC; Fri, 3 Sep 2021 00:42:11 +0000"
GOOGLE = (
    "from mta.example (mta.example. [198.51.100.9]) by mx.google.com with ESMTPS id abc123 for <bob@fabrikam.com>"
    " (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Thu, 2 Sep 2021 17:42:11 -0700 (PDT)"
)
SENDGRID = "by filter0.sendgrid.net with SMTP id f.1 2021-09-03 00:42:11.9931 +0000 UTC"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            GOOGLE,
            {
                "from_name": "mta.example",
                "from_address": "198.51.100.9",
                "with_protocol": "ESMTPS",
                "for_address": "bob@fabrikam.com",
                "tls": Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
            },
        ),
        (
            EXCHANGE,
            {
                "from_name": "mail.contoso.com",
                "from_address": "203.0.113.7",
                "by_name": "DM6NAM11FT068.mail.protection.outlook.com",
                "by_comment": "10.13.173.67",
                "with_protocol": "Microsoft SMTP Server",
                "via": "Frontend Transport",
                "id": "15.20.4478.19",
                "tls": Tls("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
                "for_address": None,
            },
        ),
        (
            POSTFIX,
            {
                "from_name": "app",
                "from_reverse_name": "app.contoso.com",
                "from_address": "10.1.2.3",
                "by_name": "mail.contoso.com",
                "with_protocol": "ESMTPSA",
                "id": "4ABC",
                "for_address": "bob@fabrikam.com",
                "tls": Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
                "is_authenticated": True,
            },
        ),
        (
            EXIM,
            {
                "from_name": "laptop",
                "from_address": "198.51.100.9",
                "with_protocol": "esmtpsa",
                "tls": Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
                "is_authenticated": True,
                "id": "1abc-0001",
            },
        ),
        (EXIM_OLD, {"from_name": "host.example", "from_address": "2001:db8::1", "tls": Tls("TLSv1", "AES256-SHA")}),
        (
            SENDMAIL,
            {
                "from_reverse_name": "relay.example",
                "from_address": "192.0.2.5",
                "id": "u1",
                "tls": Tls("TLSv1", "DHE-RSA-AES256-SHA"),
            },
        ),
        (
            GMAIL,
            {"from_name": None, "by_name": "2002:a05:6214:1c83:b0:5f1:6892:7413", "with_protocol": "SMTP", "tls": None},
        ),
        (
            QMAIL,
            {
                "from_name": "mail.example",
                "from_address": "192.0.2.8",
                "by_name": "0",
                "tls": Tls(None, "DHE-RSA-AES256-SHA"),
            },
        ),
        (QMAIL_LOCAL, {"from_name": None, "by_name": None, "by_comment": "qmail 10876 invoked from network"}),
        (PICKUP, {"from_name": "mail pickup service", "by_name": "H", "with_protocol": "Microsoft SMTPSVC"}),
        (SENDGRID, {"by_name": "filter0.sendgrid.net", "id": "f.1"}),
    ],
    ids=[
        "google",
        "exchange",
        "postfix",
        "exim",
        "old exim",
        "sendmail",
        "gmail",
        "qmail",
        "qmail local",
        "pickup",
        "sendgrid",
    ],
)
def test_what_a_field_says(value: str, wanted: dict[str, object]) -> None:
    received = read_received(value)
    assert {name: getattr(received, name) for name in wanted} == wanted
    assert received.at is not None and received.at.isoformat().startswith("2021-09-03T00:42:11")


@pytest.mark.parametrize(
    ("value", "tls"),
    [
        ("from a by b with ESMTP id 1", None),
        ("from a by b with ESMTPS id 1", Tls()),
        ("from a by b with LMTPSA id 1", Tls()),
        ("from a by b with Microsoft SMTP Server (TLS) id 15.0.1497.2", Tls()),
        ("from tls.example (tls.example [192.0.2.1]) by b with ESMTP id TLS", None),
    ],
)
def test_whether_a_hop_was_encrypted(value: str, tls: Tls | None) -> None:
    assert read_received(value).tls == tls


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "(((((",
        ")))))",
        '"',
        "\\",
        "from",
        "from by with id for via",
        "from (" * 5000,
        ";" * 5000,
        "x" * 100_000,
        "from a (with by id for) by b",
        "2021-13-45 " * 500,
        "::" * 5000,
        "1.1.1.1." * 2000,
    ],
)
def test_no_field_is_too_strange(value: str) -> None:
    assert isinstance(read_received(value), Received)


def test_a_keyword_within_a_comment_is_a_word() -> None:
    received = read_received("from a (helo=by with id) by b (for via) with SMTP; Fri, 3 Sep 2021 00:42:11 +0000")
    assert (received.by_name, received.with_protocol, received.for_address) == ("b", "SMTP", None)
