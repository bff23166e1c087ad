"""Names in certificates that were made to look like others. A trusted authority signed every one of them: what stands
between them and a connector is how they are read."""

import ipaddress

import pytest
from cryptography import x509

from staffetta.policy.certificate import NAMES_MAX, names_match, problem_under, read
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.trust import Authority
from tests.certificates import NOW, Made, authority, make

ROOT = authority("Contoso Root")
CONTOSO = Authority("Contoso", (ROOT.certificate,))
WANTED = "mail.contoso.com"
NOWHERE = x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))


def names_of(*names: str, **how: object) -> tuple[str, ...]:
    """What is read as the names of such a certificate, which is otherwise without fault."""
    presented = PeerCertificate(make(*names, issuer=ROOT, **how).der)  # type: ignore[arg-type]
    assert problem_under(presented, CONTOSO, NOW.timestamp()) is None
    return read(presented).names


NO_NAMES = {
    "NUL": f"{WANTED}\0.evil.example",
    "NUL at the end": f"{WANTED}\0",
    "line end": f"{WANTED}\n",
    "carriage return": f"{WANTED}\r",
    "space before": f" {WANTED}",
    "space after": f"{WANTED} ",
    "trailing dot": f"{WANTED}.",
    "leading dot": f".{WANTED}",
    "empty label": "mail..contoso.com",
    "nothing": "",
    "dot alone": ".",
    "address with it": f"eve@{WANTED}",
    "list": f"{WANTED},evil.example",
    "port": f"{WANTED}:25",
    "path": f"{WANTED}/evil",
    "percent": "mail%2econtoso.com",
    "asterisk alone": "*",
    "asterisk over a top-level domain": "*.com",
    "asterisk within a label": "m*.contoso.com",
    "asterisk within an A-label": "xn--*.contoso.com",
    "asterisk twice": "*.*.contoso.com",
    "asterisk in the middle": "mail.*.com",
    "asterisk at the end": "mail.contoso.*",
    "hyphen first": "-mail.contoso.com",
}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_cve_2009_2408_what_is_no_host_name_is_no_name(name: str) -> None:
    """A NUL ended the name for those who read it in C, after the authority had read to its end."""
    assert names_of(name) == ()
    if name:
        assert names_of(alternatives=[], common_name=name) == ()


LOOK_ALIKES = {
    "kelvin sign": "mail.\u212aontoso.com",  # lower case of it is an ASCII k
    "full-width letters": "ｍail.kontoso.com",
    "full-width dot": "mail．kontoso.com",
    "ideographic dot": "mail。kontoso.com",
    "cyrillic o": "mail.kоntoso.com",
    "soft hyphen": "mail.kon\u00adtoso.com",
    "zero width joiner": "mail.kon\u200dtoso.com",
    "right to left": "mail.\u202ekontoso.com",
    "long s": "mail.kontoſo.com",
    "dotted capital I": "maİl.kontoso.com",
    "U-label": "mail.köntoso.com",
}


@pytest.mark.parametrize("name", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_a_common_name_that_only_looks_like_one_is_none(name: str) -> None:
    """RFC 5890 §2.3.2.1: in certificates an internationalised name stands as A-labels; nothing is mapped to them."""
    assert names_of(alternatives=[], common_name=name) == ()


OTHER_KINDS: dict[str, x509.GeneralName] = {
    "mailbox": x509.RFC822Name("eve@evil.example"),
    "address": x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    "URI": x509.UniformResourceIdentifier(f"https://{WANTED}/"),
    "other": x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x08" + b"eve@evil"),
    "directory": x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, WANTED)])),
    "registered id": NOWHERE,
}


@pytest.mark.parametrize("other", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_a_person_cannot_be_called_like_a_host(other: x509.GeneralName) -> None:
    """A company's authority gives certificates to people, with a common name of their choice beside the mailbox."""
    assert names_of(alternatives=[other], common_name=WANTED) == ()
    assert names_of(alternatives=[other, x509.DNSName("a.contoso.com")], common_name=WANTED) == ("a.contoso.com",)


def test_an_address_in_words_names_no_connector_by_wildcard() -> None:
    assert not any(names_match("*.2.1", name) for name in names_of("192.0.2.1.5"))


def test_case_and_repetition_are_nothing() -> None:
    assert names_of("MAIL.Contoso.com", WANTED, "*.CONTOSO.com") == (WANTED, "*.contoso.com")


def test_an_a_label_is_compared_as_it_stands() -> None:
    assert names_of("mail.XN--kntoso-90a.com") == ("mail.xn--kntoso-90a.com",)
    assert not names_match("*.xn--kntoso-90a.com", "mail.xn--kntoso-90b.com")


REACH = [
    # connector, certificate, whether the connector takes it
    ("*.contoso.com", "mail.contoso.com", True),
    ("*.contoso.com", "a.b.contoso.com", True),
    ("*.contoso.com", "contoso.com", True),
    ("*.contoso.com", "*.contoso.com", True),
    ("*.contoso.com", "*.a.contoso.com", True),
    ("*.contoso.com", "evilcontoso.com", False),
    ("*.contoso.com", "contoso.com.evil.example", False),
    ("*.contoso.com", "*.com", False),
    ("*.mail.contoso.com", "*.contoso.com", False),
    ("mail.contoso.com", "*.contoso.com", True),
    ("a.mail.contoso.com", "*.contoso.com", False),
    ("contoso.com", "*.contoso.com", False),
    ("contoso.com", "mail.contoso.com", False),
    ("contoso.com", "*.com", False),
    ("mail.contoso.com", "mail.contoso.com", True),
    ("mail.contoso.com", "ail.contoso.com", False),
    ("mail.contoso.com", "xmail.contoso.com", False),
]


@pytest.mark.parametrize(("connector", "certificate", "is_taken"), REACH)
def test_a_certificate_reaches_no_further_than_the_connector(connector: str, certificate: str, is_taken: bool) -> None:
    assert names_match(connector, certificate) == is_taken


def test_as_many_names_as_are_allowed_are_read_and_one_more_is_refused() -> None:
    def presented(count: int) -> PeerCertificate:
        return PeerCertificate(make(*[f"host{number}.contoso.com" for number in range(count)], issuer=ROOT).der)

    assert len(read(presented(NAMES_MAX)).names) == NAMES_MAX
    many = read(presented(10_000))
    assert many.names == ()
    assert many.unreadable == f"it has 10000 names, more than {NAMES_MAX}"


@pytest.mark.parametrize("made", [make(common_name="", alternatives=[], issuer=ROOT)], ids=["nameless"])
def test_a_certificate_without_any_name_has_none(made: Made) -> None:
    assert read(PeerCertificate(made.der)).names == ()
