"""What a certificate is worth: each thing that can be wrong with one, and what is said of it."""

from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509

from staffetta.policy.certificate import NAMES_MAX, names_match, problem_of_pinned, problem_under, read
from staffetta.policy.decision import PeerCertificate
from staffetta.settings import trust
from staffetta.settings.model import Settings
from staffetta.settings.objects import TrustedAuthority
from staffetta.settings.trust import Authority
from tests.unit.policy.pki import AT, CLIENT, CODE, DAY, NOW, SERVER, Made, make, weak_key, written

ROOT = Made.root("Test Root")
ISSUING = ROOT.authority("Test Issuing")


def trusting(*roots: Made, revocation_lists: tuple[bytes, ...] | None = None) -> Authority:
    lists = None if revocation_lists is None else tuple(x509.load_pem_x509_crl(pem) for pem in revocation_lists)
    return Authority("ours", tuple(root.certificate for root in roots), lists)


@pytest.mark.parametrize(
    ("connector_name", "certificate_name", "is_match"),
    [
        ("mail.contoso.test", "mail.contoso.test", True),
        ("mail.contoso.test", "*.contoso.test", True),
        ("*.contoso.test", "*.contoso.test", True),
        ("*.contoso.test", "mail.contoso.test", True),
        ("*.contoso.test", "a.b.contoso.test", True),
        ("*.contoso.test", "*.b.contoso.test", True),
        ("*.contoso.test", "contoso.test", True),
        ("contoso.test", "contoso.test", True),
        ("contoso.test", "mail.contoso.test", False),
        ("contoso.test", "*.contoso.test", False),
        ("a.b.contoso.test", "*.contoso.test", False),
        ("*.contoso.test", "*.test", False),
        ("contoso.test", "*.test", False),
        ("*.contoso.test", "notcontoso.test", False),
        ("mail.contoso.test", "mail.fabrikam.test", False),
        ("mail.contoso.test", "m*.contoso.test", False),
        ("mail.contoso.test", "*", False),
    ],
)
def test_a_wildcard_never_reaches_further_than_the_connector_names(
    connector_name: str, certificate_name: str, is_match: bool
) -> None:
    assert names_match(connector_name, certificate_name) is is_match


@pytest.mark.parametrize(
    ("names", "has_alternative_names", "read_as"),
    [
        (("mail.contoso.test", "*.Fabrikam.TEST"), True, ("mail.contoso.test", "*.fabrikam.test")),
        (("mail.contoso.test",), False, ("mail.contoso.test",)),
        (("192.0.2.1", "a b.contoso.test", "mail.contoso.test\0.evil.test", "*.test", "*"), True, ("192.0.2.1",)),
        (("mail..contoso.test", ".contoso.test", "mail.contoso.test."), True, ()),
    ],
)
def test_names_are_those_that_can_be_compared(
    names: tuple[str, ...], has_alternative_names: bool, read_as: tuple[str, ...]
) -> None:
    made = make(names[0][:60].replace("\0", " "), names=names, has_alternative_names=has_alternative_names)
    assert read(made.sent()).names == read_as


def test_the_common_name_counts_only_where_there_is_no_other() -> None:
    assert read(make("cn.contoso.test", names=("san.contoso.test",)).sent()).names == ("san.contoso.test",)


def test_what_is_no_certificate_is_unreadable_and_raises_nothing() -> None:
    assert "cannot be read" in str(problem_under(PeerCertificate(b"\x30\x03\x02\x01\x00"), trusting(ROOT), AT))


def test_a_certificate_of_too_many_names_is_not_looked_at() -> None:
    names = [f"host{number}.contoso.test" for number in range(NAMES_MAX + 1)]
    assert "1001 names" in str(problem_under(ROOT.issue(*names).sent(), trusting(ROOT), AT))


GOOD = ISSUING.issue("mail.contoso.test")
REVOKED_INTERMEDIATE = ROOT.authority("Test Lost")
NO_AUTHORITY = ROOT.issue("host.contoso.test")
GOOD_CASES = {
    "by the root itself": (ROOT.issue("mail.contoso.test"), True),
    "by an intermediate that was sent": (GOOD, True),
    "for servers alone": (ISSUING.issue("mail.contoso.test", usages=(SERVER,)), True),
    "for clients alone": (ISSUING.issue("mail.contoso.test", usages=(CLIENT,)), True),
}
BAD_CASES = {
    "self-signed": (make("mail.contoso.test"), True, "it is self-signed, and not one of authority 'ours'"),
    "another root": (
        Made.root("Other Root").issue("mail.contoso.test"),
        True,
        "its issuer CN=Other Root was not sent, and is not known to authority 'ours'",
    ),
    "intermediate missing": (
        GOOD,
        False,
        "its issuer CN=Test Issuing was not sent, and is not known to authority 'ours'",
    ),
    "expired": (ISSUING.issue("a.test", until=NOW - DAY), True, "it expired on 2026-11-23"),
    "not yet": (ISSUING.issue("a.test", since=NOW + DAY), True, "it is not valid before 2026-11-25"),
    "intermediate expired": (
        ROOT.authority("Test Old", until=NOW - DAY).issue("a.test"),
        True,
        "its issuer CN=Test Old is out of its time, 2026-08-16 to 2026-11-23",
    ),
    "code signing": (
        ISSUING.issue("a.test", usages=(CODE,)),
        True,
        "its extended key usage is codeSigning, and must be clientAuth or serverAuth",
    ),
    "issuer for code signing": (
        ROOT.authority("Test Code", usages=(CODE,)).issue("a.test"),
        True,
        "its issuer's certificate: its extended key usage is codeSigning, and must be clientAuth or serverAuth",
    ),
    "weak key": (
        ISSUING.issue("a.test", key=weak_key()),
        True,
        "its key has 1024 bits, and must have 2048",
    ),
    "issuer is none": (
        NO_AUTHORITY.issue("a.test"),
        True,
        "it was issued by CN=host.contoso.test, which is no certificate authority",
    ),
}


@pytest.mark.parametrize("case", GOOD_CASES)
def test_a_good_certificate_is_taken(case: str) -> None:
    made, with_chain = GOOD_CASES[case]
    assert problem_under(made.sent(with_chain=with_chain), trusting(ROOT), AT) is None


@pytest.mark.parametrize("case", BAD_CASES)
def test_a_bad_certificate_is_refused_in_words(case: str) -> None:
    made, with_chain, words = BAD_CASES[case]
    assert problem_under(made.sent(with_chain=with_chain), trusting(ROOT), AT) == words


def test_a_root_that_was_sent_and_is_not_ours_is_named() -> None:
    other = Made.root("Other Root")
    sent = PeerCertificate(other.issue("a.test").der, (other.der,))
    assert problem_under(sent, trusting(ROOT), AT) == "it leads to CN=Other Root, which is not one of authority 'ours'"


def test_an_issuing_authority_may_be_trusted_without_its_root() -> None:
    assert problem_under(GOOD.sent(with_chain=False), trusting(ISSUING), AT) is None


def test_a_renewed_root_beside_its_old_self_works() -> None:
    old = make("Test Root", is_authority=True, key=ROOT.key, until=NOW - DAY)
    assert problem_under(ROOT.issue("a.test").sent(), trusting(old, ROOT), AT) is None


@pytest.mark.parametrize(("moment", "words"), [(NOW, None), (NOW + 101 * DAY, "it expired on 2027-03-04"), (NOW, None)])
def test_time_is_looked_at_each_time(moment: datetime, words: str | None) -> None:
    assert problem_under(GOOD.sent(), trusting(ROOT), moment.timestamp()) == words


def test_more_certificates_than_a_chain_has_are_not_looked_at() -> None:
    many = PeerCertificate(GOOD.der, (ISSUING.der,) * 11)
    assert "11 certificates were sent" in str(problem_under(many, trusting(ROOT), AT))


def test_an_authority_that_cannot_be_used_says_why() -> None:
    assert problem_under(GOOD.sent(), Authority("ours", trouble="no file"), AT) == "no file"


class TestRevocation:
    issuer = ROOT.authority("Test Revoking")
    taken_back, kept = issuer.issue("a.test"), issuer.issue("b.test")
    issuer.revoke(taken_back)

    def test_what_is_on_the_list_is_refused_and_what_is_not_is_taken(self) -> None:
        authority = trusting(ROOT, revocation_lists=(self.issuer.revocation_list(),))
        assert problem_under(self.taken_back.sent(), authority, AT) == "it is revoked"
        assert problem_under(self.kept.sent(), authority, AT) is None

    def test_a_list_that_has_ended_lets_nobody_in(self) -> None:
        ended = trusting(ROOT, revocation_lists=(self.issuer.revocation_list(NOW - DAY),))
        words = "its issuer CN=Test Revoking has no revocation list in force with authority 'ours'; get a new one"
        assert problem_under(self.kept.sent(), ended, AT) == words

    def test_a_verdict_ends_with_its_list(self) -> None:
        authority = trusting(ROOT, revocation_lists=(self.issuer.revocation_list(NOW + DAY),))
        assert problem_under(self.kept.sent(), authority, AT) is None
        assert problem_under(self.kept.sent(), authority, (NOW + 2 * DAY).timestamp()) is not None

    def test_an_authority_between_may_be_revoked(self) -> None:
        root = Made.root("Test Root 2")
        between = root.authority("Test Lost")
        root.revoke(between)
        authority = trusting(root, revocation_lists=(between.revocation_list(), root.revocation_list()))
        assert problem_under(between.issue("a.test").sent(), authority, AT) == "its issuer CN=Test Lost is revoked"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (make("printer"), None),
        (make("printer", until=NOW - DAY), "it expired on 2026-11-23"),
        (make("printer", since=NOW + DAY), "it is not valid before 2026-11-25"),
        (make("printer", key=weak_key()), "its key has 1024 bits, and must have 2048"),
    ],
)
def test_a_pinned_certificate_needs_nobody_behind_it_but_its_time(made: Made, words: str | None) -> None:
    assert problem_of_pinned(made.sent(), AT) == words


class TestTrust:
    def settings(self, folder: Path, **declared: Path) -> Settings:
        authority = TrustedAuthority(name="ours", **declared)
        return Settings(hostname="r.test", data_dir=folder, trusted_authorities=(authority,))

    def test_a_named_authority_is_read_from_its_file(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path, certificates=written(tmp_path / "ca.pem", ROOT.pem))
        assert problem_under(GOOD.sent(), trust.authority("ours", settings, AT), AT) is None

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path, certificates=tmp_path / "none.pem")
        trouble = trust.authority("ours", settings, AT).trouble
        assert trouble == (
            f"the certificates of authority 'ours' cannot be read from {tmp_path}/none.pem: No such file or directory"
        )

    def test_a_list_written_later_is_seen_without_a_reload(self, tmp_path: Path) -> None:
        lists = written(tmp_path / "crl.pem", ISSUING.revocation_list())
        settings = self.settings(tmp_path, certificates=written(tmp_path / "ca.pem", ROOT.pem), revocation_lists=lists)
        issuer = make("Test Issuing", issuer=ROOT, is_authority=True, key=ISSUING.key)
        lost = issuer.issue("a.test")
        assert problem_under(lost.sent(), trust.authority("ours", settings, AT), AT) is None
        issuer.revoke(lost)
        written(lists, issuer.revocation_list())
        later = AT + 11
        assert problem_under(lost.sent(), trust.authority("ours", settings, later), later) == "it is revoked"

    def test_the_built_in_authority_is_made_first(self, tmp_path: Path) -> None:
        settings = Settings(hostname="r.test", data_dir=tmp_path)
        assert "staffetta ca init" in str(trust.authority("own", settings, AT).trouble)
        (tmp_path / "ca").mkdir()
        written(tmp_path / "ca" / "ca.pem", ROOT.pem)
        assert problem_under(GOOD.sent(), trust.authority("own", settings, AT + 11), AT) is None

    def test_an_unknown_authority_is_told(self, tmp_path: Path) -> None:
        settings = Settings(hostname="r.test", data_dir=tmp_path)
        assert "there is no trusted authority 'nobody'" in str(trust.authority("nobody", settings, AT).trouble)

    def test_public_trust_is_the_machines_and_knows_no_test_root(self, tmp_path: Path) -> None:
        settings = Settings(hostname="r.test", data_dir=tmp_path)
        problem = problem_under(GOOD.sent(), trust.authority("public", settings, AT), AT)
        assert problem is not None
        assert "CN=Test Root" in problem or "ca-certificates" in problem
