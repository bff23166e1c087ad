"""Signatures of DKIM and ARC are computed again; dkimpy, or RFC 8463, has signed."""

import base64
import re
from collections.abc import Callable, Sequence
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim.canonicalization import Relaxed, Simple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from staffetta.analyzer.finding import Severity
from staffetta.analyzer.recomputing import SIGNATURES_MAX, Recomputation, key_names, recompute
from staffetta.analyzer.report import analyze
from staffetta.analyzer.signed_body import relaxed, simple
from staffetta.analyzer.signing_key import KeyUnavailable
from staffetta.analyzer.source import FIELDS_MAX, NotWhole, source_of

MESSAGE = (
    b"From: Ann <ann@contoso.com>\r\nTo: bob@fabrikam.com\r\nSubject: Offer\r\n"
    b"Date: Fri, 3 Sep 2021 00:42:11 +0000\r\nMessage-ID: <1@contoso.com>\r\n\r\nGood  day.\r\n\r\nAnn\r\n"
)
KEY_NAME = "s1._domainkey.contoso.com"


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def record_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return record_with(key.public_key())


def record_with(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode()}"


HUGE_KEY = rsa.RSAPublicNumbers(65537, 2**8191 + 1).public_key()
"""As large as one of 8192 bits, without the minute that making such a pair takes."""


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def signed(message: bytes = MESSAGE, **options: object) -> bytes:
    return bytes(dkim.sign(message, b"s1", b"contoso.com", pem(rsa_key(2048)), **options)) + message


def sealed(message: bytes, domain: str) -> bytes:
    """With one more set of ARC."""
    results = f"Authentication-Results: {domain}; arc={'pass' if b'ARC-Seal' in message else 'none'}\r\n".encode()
    fields = dkim.ARC(results + message, linesep=b"\r\n").sign(
        b"s1", domain.encode(), pem(rsa_key(2048)), domain.encode(), include_headers=[b"from", b"subject"]
    )
    return b"".join(fields) + results + message


def published(record: str | None = None, name: str | None = None) -> Callable[[str], Sequence[str]]:
    """Look up one record at one name, or at every name."""
    text = record_of(rsa_key(2048)) if record is None else record
    return lambda asked: [text] if text and name in (None, asked) else []


def only(recomputation: Recomputation) -> tuple[str, str]:
    (computed,) = recomputation.computed
    return computed.result, computed.why


@pytest.mark.parametrize("header", [b"relaxed", b"simple"])
@pytest.mark.parametrize("body", [b"relaxed", b"simple"])
def test_an_unchanged_message_passes(header: bytes, body: bytes) -> None:
    source = source_of(signed(canonicalize=(header, body)))
    assert key_names(source) == (KEY_NAME,)
    (computed,) = recompute(source, published(name=KEY_NAME)).computed
    assert (computed.field, computed.domain, computed.selector) == ("DKIM-Signature", "contoso.com", "s1")
    assert (computed.result, computed.why, computed.key_bits) == ("pass", "", 2048)


@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n", b"\r\n\r\n", b"\r", b"  ."]), max_size=30).map(b"".join))
def test_a_body_has_the_canonical_forms_that_dkimpy_gives_it(body: bytes) -> None:
    assert simple(body) == Simple.canonicalize_body(body)
    whole = body if body.endswith(b"\r\n") else body + b"\r\n"  # dkimpy leaves blanks at the end of an open line
    assert relaxed(body) == Relaxed.canonicalize_body(whole)


def test_line_ends_of_a_saved_message_do_no_harm() -> None:
    saved = b"From ann@contoso.com Fri Sep  3 00:42:11 2021\n" + signed().replace(b"\r\n", b"\n")
    assert only(recompute(source_of(saved), published())) == ("pass", "")


RFC_8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.

"""
RFC_8463_KEYS = {
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": "v=DKIM1; k=rsa; "
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/by"
    "YzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}


def test_the_example_of_rfc_8463_passes() -> None:
    recomputation = recompute(source_of(RFC_8463), lambda name: [RFC_8463_KEYS[name]])
    assert [(each.result, each.algorithm, each.key_bits) for each in recomputation.computed] == [
        ("pass", "ed25519-sha256", 256),
        ("pass", "rsa-sha256", 1024),
    ]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (signed().replace(b"Good  day", b"Good night"), "the body was changed after it was signed"),
        (
            signed().replace(b"Subject: Offer", b"Subject: Other"),
            "a field that it signs was changed, or the key is another one; it signs ",
        ),
        (
            b"From: eve@outside.example\r\n" + signed(),
            "a field that it signs was changed, or the key is another one; it signs ",
        ),
    ],
)
def test_a_change_is_found_and_it_is_told_where(message: bytes, why: str) -> None:
    result, told = only(recompute(source_of(message), published()))
    assert (result, told.startswith(why)) == ("fail", True)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("", f"there is no key in the DNS, at {KEY_NAME}"),
        ("v=spf1 -all", f"there is no key in the DNS, at {KEY_NAME}"),
        ("v=DKIM2; p=AAAA", f"the record at {KEY_NAME} is no key of DKIM"),
        ("v=DKIM1; p=", f"the key at {KEY_NAME} has been revoked"),
        ("v=DKIM1; p=!!", f"the key at {KEY_NAME} cannot be read"),
        ("v=DKIM1; p=AAAA", f"the key at {KEY_NAME} cannot be read"),
        ("v=DKIM1; k=rot13; p=AAAA", f"the key at {KEY_NAME} is of a kind that is not known, 'rot13'"),
        ("v=DKIM1; k=ed25519; p=AAAA", f"the key at {KEY_NAME} cannot be read"),
        (f"{record_of(rsa_key(2048))}; s=other", f"the key at {KEY_NAME} is not for mail"),
        (f"{record_of(rsa_key(2048))}; h=sha1", "its key is not for this algorithm"),
        (record_of(ec.generate_private_key(ec.SECP256R1())), f"the key at {KEY_NAME} is not of RSA, as it says"),
        pytest.param(
            "v=DKIM1; k=ed25519; p="
            + base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode(),
            "its key is not for this algorithm",
            id="ed25519",
        ),
        (record_with(HUGE_KEY), f"the key at {KEY_NAME} is larger than what is computed here, 4096 bits"),
    ],
)
def test_what_is_no_key_counts_for_nothing(record: str, why: str) -> None:
    assert only(recompute(source_of(signed()), published(record))) == ("permerror", why)


def test_a_key_that_nobody_can_tell_now_is_no_fault_of_the_message() -> None:
    def lookup(name: str) -> list[str]:
        raise KeyUnavailable("the DNS does not answer")

    assert only(recompute(source_of(signed()), lookup)) == ("temperror", "the DNS does not answer")


@pytest.mark.parametrize(
    ("tag", "instead", "why"),
    [
        (rb"a=rsa-sha256", b"a=rsa-sha1", "SHA-1 counts for nothing any more"),
        (rb"a=rsa-sha256", b"a=rot13", "it cannot be read: unknown signature algorithm: rot13"),
        (rb"h=from :", b"h=", "it does not sign From"),
        (rb"d=contoso.com", b"d=[]", "it cannot be read: d= value is not valid ([])"),
        (rb"s=s1", b"s=../x", "its d and s name no place where a key could be"),
        (rb"v=1", b"v=2", "it cannot be read: v= value is not 1 (2)"),
        (rb"i=@contoso.com", b"i=contoso.com", "it cannot be read: "),
        (rb"bh=", b"bh=!", "it cannot be read: "),
        (rb"v=1;", b"v=1;" + b" " * 300, "it is longer than what is computed here"),
        (rb"v=1;", b"v=1; z=" + b"x" * 9000 + b";", "it is longer than what is computed here"),
        (rb"h=", b"h=" + b"a:" * 300, "it names more fields than what is computed here"),
    ],
)
def test_what_is_no_signature_counts_for_nothing(tag: bytes, instead: bytes, why: str) -> None:
    message = signed(include_headers=[b"from", b"to"])
    changed = re.sub(re.escape(tag), instead, message, count=1)
    assert changed != message
    if b"does not sign" in why.encode():
        changed = changed.replace(b" from", b" to")
    result, told = only(recompute(source_of(changed), published()))
    assert (result, told[: len(why)]) == ("permerror", why)


def test_what_weakens_a_signature_that_passes_is_told() -> None:
    source = source_of(signed(length=True) + b"added below\r\n")
    result, why = only(recompute(source, published(f"{record_of(rsa_key(2048))}; t=y")))
    assert (result, why) == (
        "pass",
        "only the first 19 octets of the body are signed; the domain only tries DKIM out (t=y)",
    )


def test_only_so_many_signatures_are_computed() -> None:
    message = signed().partition(b"From: ")
    recomputation = recompute(source_of(message[0] * (SIGNATURES_MAX + 2) + message[1] + message[2]), published())
    assert len(recomputation.computed) == SIGNATURES_MAX
    assert recomputation.left_out == "only the first 10 of 12 DKIM signatures"


def test_a_chain_of_arc_is_computed_whole() -> None:
    recomputation = recompute(source_of(sealed(sealed(signed(), "m1.example"), "m2.example")), published())
    assert recomputation.chain == "pass"
    assert [(each.field, each.instance, each.domain, each.result) for each in recomputation.computed] == [
        ("DKIM-Signature", None, "contoso.com", "pass"),
        ("ARC-Message-Signature", 2, "m2.example", "pass"),
        ("ARC-Seal", 1, "m1.example", "pass"),
        ("ARC-Seal", 2, "m2.example", "pass"),
    ]


def test_a_list_that_changes_the_message_leaves_the_chain_whole() -> None:
    changed = sealed(signed(), "m1.example").replace(b"Subject: Offer", b"Subject: [list] Offer")
    recomputation = recompute(source_of(sealed(changed, "m2.example")), published())
    assert recomputation.chain == "pass"
    assert recomputation.computed[0].result == "fail"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: Offer", b"Subject: Other"),
        (b"arc=none", b"arc=pass"),
        (b"cv=none", b"cv=pass"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: i=2;"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=3;"),
    ],
)
def test_a_chain_that_was_tampered_with_does_not_hold(old: bytes, new: bytes) -> None:
    message = sealed(MESSAGE, "m1.example")
    assert old in message
    assert recompute(source_of(message.replace(old, new)), published()).chain == "fail"


def test_a_chain_whose_keys_nobody_can_tell_is_unknown() -> None:
    def lookup(name: str) -> list[str]:
        raise KeyUnavailable("the DNS does not answer")

    assert recompute(source_of(sealed(MESSAGE, "m1.example")), lookup).chain is None


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"From: a@contoso.com\r\n", "there is no body, only header fields"),
        (b"From: a@contoso.com\r\n\r\n\r\n", "there is no body, only header fields"),
        (b"> From: a@contoso.com\r\n\r\nbody", "line 1 is no header field, so this is not the source as it was sent"),
        (b"From: a@contoso.com\r\nfolded\r\n\r\nbody", "line 2 is no header field"),
        (b"", "there is no body"),
        (b"a:b\n" * (FIELDS_MAX + 1) + b"\nbody", "it has more than 2000 header fields"),
    ],
)
def test_what_is_no_whole_source_is_told(octets: bytes, why: str) -> None:
    with pytest.raises(NotWhole) as caught:
        source_of(octets)
    assert str(caught.value).startswith(why)


def test_findings_and_alignment_rest_on_what_was_computed() -> None:
    message = b"Authentication-Results: mx.example; dkim=fail header.d=contoso.com\r\n" + signed()
    recomputation = recompute(source_of(message), published())
    report = analyze(message.decode(), ("mx.example",), recomputation)
    assert [(row.domain, row.result, row.host) for row in report.alignments] == [
        ("contoso.com", "pass", "computed again here")
    ]
    (found,) = (each for each in report.findings if each.field == "DKIM-Signature")
    assert found.severity is Severity.GOOD
    assert found.text == (
        "DKIM-Signature by contoso.com (selector s1), computed again here: pass (rsa-sha256, 2048 bits)."
    )


def test_that_nothing_was_computed_is_told_where_there_is_a_signature() -> None:
    told = "Signatures were not recomputed: the headers alone were looked at."
    assert told in [finding.text for finding in analyze(signed().decode()).findings]
    assert told not in [finding.text for finding in analyze(MESSAGE.decode()).findings]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2500), st.integers(0, 40), st.one_of(st.binary(max_size=8), st.sampled_from([b";", b"="]))
        )
    )
)
def test_no_message_is_an_error(changes: list[tuple[int, int, bytes]]) -> None:
    message = sealed_twice()
    for start, length, instead in changes:
        message = message[:start] + instead + message[start + length :]
    try:
        source = source_of(message)
    except NotWhole:
        return
    recomputation = recompute(source, published())
    analyze(message.decode("latin-1"), (), recomputation)


@cache
def sealed_twice() -> bytes:
    return sealed(sealed(signed(), "m1.example"), "m2.example")
