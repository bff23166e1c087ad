"""main.cf and its tables become settings that load, and that answer as Postfix did."""

from pathlib import Path

import pytest

from staffetta.importing.draft import CannotImport, Imported
from staffetta.importing.postfix import PostfixFiles, import_postfix
from staffetta.settings.model import ListenerKind
from staffetta.settings.roads import TlsLevel, Transport
from tests.unit.importing.answering import answer, answers, settings_of

BASE = "compatibility_level = 3.6\nmyhostname = mail.contoso.test\nmydestination =\n"
INSIDE, OUTSIDE = "10.1.0.9", "203.0.113.9"


def imported(
    folder: Path, main: str, master: str | None = None, *, own: tuple[str, ...] = (), **tables: str
) -> Imported:
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    return import_postfix(PostfixFiles("main.cf", BASE + main, master, folder, "here.contoso.test", own=own))


def left(result: Imported) -> str:
    return "\n".join(f"{each.what}: {each.why} -> {each.instead}" for each in result.left)


@pytest.mark.parametrize(
    ("main", "ip", "to", "accepted"),
    [
        ("mynetworks = 10.1.0.0/16", INSIDE, "a@else.test", True),
        ("mynetworks = 10.1.0.0/16", OUTSIDE, "a@else.test", False),
        ("mynetworks = !10.1.0.9, 10.1.0.0/16", INSIDE, "a@else.test", False),
        ("mynetworks = 10.1.0.0/16, !10.1.0.9", INSIDE, "a@else.test", True),
        ("mynetworks = 10.1.0.0/16\nrelay_domains = ours.test", OUTSIDE, "a@ours.test", True),
        ("mynetworks = 10.1.0.0/16\nrelay_domains = ours.test", OUTSIDE, "a@below.ours.test", True),
        ("mynetworks = [2001:db8::]/32", "2001:db8::7", "a@else.test", True),
        ("", "127.0.0.1", "a@else.test", True),
        ("", INSIDE, "a@else.test", False),
        (
            "mynetworks = 10.1.0.0/16\nsmtpd_client_restrictions = permit_mynetworks, reject\nrelay_domains = a.test",
            OUTSIDE,
            "a@a.test",
            False,
        ),
        (
            "mynetworks = 10.1.0.0/16\nsmtpd_relay_restrictions = reject_unauth_destination",
            INSIDE,
            "a@else.test",
            False,
        ),
        ("mynetworks = 0.0.0.0/0", OUTSIDE, "a@else.test", False),
        ("smtpd_relay_restrictions = permit", OUTSIDE, "a@else.test", False),
        (
            "smtpd_relay_restrictions = check_client_access inline:{{10.1=OK}}, reject_unauth_destination",
            INSIDE,
            "a@else.test",
            True,
        ),
        (
            "mynetworks = 10.1.0.0/16\nsmtpd_client_restrictions = check_client_access cidr:/nowhere/access\n",
            INSIDE,
            "a@else.test",
            False,
        ),
        (
            "mynetworks = 10.1.0.0/16\nrelay_domains = ours.test\nrelay_recipient_maps = inline:{{ann@ours.test=x}}",
            OUTSIDE,
            "bob@ours.test",
            False,
        ),
    ],
)
def test_who_may_send_where_is_as_before(tmp_path: Path, main: str, ip: str, to: str, accepted: bool) -> None:
    result = imported(tmp_path, main, access="10.1.0.9 REJECT\n")
    assert answer(result, tmp_path, ip, "b@contoso.test", to).accepted is accepted


@pytest.mark.parametrize(
    "door", ["mynetworks = 0.0.0.0/0", "mynetworks = 0.0.0.0/1 128.0.0.0/1", "mynetworks = [::]/0"]
)
def test_an_open_door_is_told_and_not_carried_over(tmp_path: Path, door: str) -> None:
    result = imported(tmp_path, door)
    assert "the whole Internet may relay" in left(result)
    assert settings_of(result, tmp_path).inbound_connectors[0].name == "No strangers"


ROADS = (
    ("relayhost = [smtp.provider.test]:587", "a@else.test", ("smtp.provider.test:587",)),
    ("relayhost = [192.0.2.1]", "a@else.test", ("192.0.2.1:25",)),
    ("relayhost = smtp.provider.test", "a@else.test", ("smtp.provider.test:25",)),
    ("relayhost = [2001:db8::1]:2525", "a@else.test", ("[2001:db8::1]:2525",)),
    ("relayhost = [a.test]:submission, [b.test]", "a@else.test", ("a.test:587", "b.test:25")),
    ("", "a@else.test", ("the mail exchangers of else.test",)),
    ("default_transport = smtp:[gw.test]", "a@else.test", ("gw.test:25",)),
    ("relayhost = [r.test]\nrelay_domains = ours.test", "a@ours.test", ("r.test:25",)),
    (
        "relayhost = [r.test]\nrelay_domains = ours.test\nrelay_transport = smtp:[in.test]",
        "a@ours.test",
        ("in.test:25",),
    ),
)
TRANSPORT = """
exact.test        smtp:[exact.test]:2525
.below.test       smtp:[below.test]
deep.below.test   relay:[deep.test]
same.below.test   :
nexthop.test      :[other.test]
mx.test           smtp:
lmtp.test         lmtp:unix:private/dovecot-lmtp
lmtp2.test        lmtp:inet:[127.0.0.1]:2424
custom.test       secure:[secure.test]
person@exact.test smtp:[person.test]
gone.test         error:5.1.1 no such domain
"""
MAPPED = (
    ("a@exact.test", ("exact.test:2525",)),
    ("a@x.exact.test", ("r.test:25",)),
    ("a@below.test", ("r.test:25",)),
    ("a@x.below.test", ("below.test:25",)),
    ("a@deep.below.test", ("deep.test:25",)),
    ("a@same.below.test", ("r.test:25",)),
    ("a@nexthop.test", ("other.test:25",)),
    ("a@mx.test", ("the mail exchangers of mx.test",)),
    ("a@lmtp.test", ("/var/spool/postfix/private/dovecot-lmtp",)),
    ("a@lmtp2.test", ("127.0.0.1:2424",)),
    ("a@custom.test", ("secure.test:25",)),
    ("a@else.test", ("r.test:25",)),
)


@pytest.mark.parametrize(("main", "to", "hops"), ROADS)
def test_mail_goes_where_it_went(tmp_path: Path, main: str, to: str, hops: tuple[str, ...]) -> None:
    assert answer(imported(tmp_path, main), tmp_path, "127.0.0.1", "b@contoso.test", to).next_hops == hops


def test_the_transport_map_in_all_its_forms(tmp_path: Path) -> None:
    master = "smtp inet n - y - - smtpd\nsecure unix - - n - - smtp\n  -o smtp_tls_security_level=verify\n"
    main = "relayhost = [r.test]\ntransport_maps = hash:/etc/postfix/transport\n"
    result = imported(tmp_path, main, master, transport=TRANSPORT)
    settings = settings_of(result, tmp_path)
    cases = [("127.0.0.1", to) for to, _ in MAPPED]
    found = {to: each.next_hops for (_, to), each in answers(result, tmp_path, "b@contoso.test", cases).items()}
    assert found == dict(MAPPED)
    assert next(each for each in settings.routes if each.name == "secure.test").tls is TlsLevel.VERIFIED
    assert "person@exact.test: it is one recipient" in left(result)
    assert "gone.test -> error:5.1.1 no such domain: it refuses the mail" in left(result)


def test_a_star_in_the_transport_map_goes_before_the_relayhost(tmp_path: Path) -> None:
    main = "relayhost = [r.test]\ntransport_maps = inline:{{*=smtp:[all.test]}, {one.test=smtp:[one.test]}}"
    result = imported(tmp_path, main)
    assert answer(result, tmp_path, "127.0.0.1", "b@contoso.test", "a@else.test").next_hops == ("all.test:25",)
    assert answer(result, tmp_path, "127.0.0.1", "b@contoso.test", "a@one.test").next_hops == ("one.test:25",)


@pytest.mark.parametrize(
    ("sender", "to", "hops"),
    [
        ("b@sales.test", "a@else.test", ("sales-relay.test:25",)),
        ("b@other.test", "a@else.test", ("r.test:25",)),
        ("b@sales.test", "a@mapped.test", ("mapped.test:25",)),
        ("b@sales.test", "a@boxes.test", ("/run/lmtp",)),
        ("b@sales.test", "a@ours.test", ("sales-relay.test:25",)),
    ],
)
def test_a_senders_own_relay_comes_after_the_transport_map(
    tmp_path: Path, sender: str, to: str, hops: tuple[str, ...]
) -> None:
    main = (
        "relayhost = [r.test]\nrelay_domains = ours.test\ntransport_maps = inline:{{mapped.test=smtp:[mapped.test]}}\n"
        "virtual_mailbox_domains = boxes.test\nvirtual_transport = lmtp:unix:/run/lmtp\n"
        "sender_dependent_relayhost_maps = inline:{{@sales.test=[sales-relay.test]}, {x@sales.test=[x.test]}}\n"
    )
    result = imported(tmp_path, main, own=("sales.test", "other.test"))
    assert answer(result, tmp_path, "127.0.0.1", sender, to).next_hops == hops


@pytest.mark.parametrize(
    ("main", "level", "more"),
    [
        ("", TlsLevel.NONE, {}),
        ("smtp_tls_security_level = none", TlsLevel.NONE, {}),
        ("smtp_tls_security_level = may", TlsLevel.OPPORTUNISTIC, {}),
        ("smtp_use_tls = yes", TlsLevel.OPPORTUNISTIC, {}),
        ("smtp_tls_security_level = encrypt", TlsLevel.REQUIRED, {}),
        ("smtp_tls_security_level = verify", TlsLevel.VERIFIED, {"tls_names": ()}),
        ("smtp_tls_security_level = secure", TlsLevel.VERIFIED, {"tls_names": ("r.test", "*.r.test")}),
        ("smtp_tls_policy_maps = inline:{{[r.test]:587=encrypt}}", TlsLevel.REQUIRED, {}),
        ("smtp_tls_policy_maps = inline:{{[r.test]:587=secure match=.x.test}}", TlsLevel.VERIFIED, {}),
        ("smtp_tls_policy_maps = inline:{{r.test=none}}\nsmtp_tls_security_level = encrypt", TlsLevel.NONE, {}),
        ("smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no", TlsLevel.REQUIRED, {}),
    ],
)
def test_tls_of_the_next_hop_is_as_strict_as_before(
    tmp_path: Path, main: str, level: TlsLevel, more: dict[str, object]
) -> None:
    (route,) = settings_of(imported(tmp_path, f"relayhost = [r.test]:587\n{main}"), tmp_path).routes
    assert route.tls is level
    assert {key: getattr(route, key) for key in more} == more


def test_a_domain_with_a_policy_of_its_own_gets_a_road_of_its_own(tmp_path: Path) -> None:
    main = "smtp_tls_security_level = may\nsmtp_tls_policy_maps = inline:{{strict.test=encrypt}, {lax.test=may}}"
    result = imported(tmp_path, main)
    settings = settings_of(result, tmp_path)
    assert answer(result, tmp_path, "127.0.0.1", "b@contoso.test", "a@strict.test").route == "internet, strict.test"
    assert answer(result, tmp_path, "127.0.0.1", "b@contoso.test", "a@lax.test").route == "internet"
    assert {each.name: each.tls for each in settings.routes} == {
        "internet": TlsLevel.OPPORTUNISTIC,
        "internet, strict.test": TlsLevel.REQUIRED,
    }
    assert all(each.transport is Transport.MX for each in settings.routes)


def test_other_senders_and_strangers_are_told(tmp_path: Path) -> None:
    result = imported(tmp_path, "mynetworks = 10.1.0.0/16\nrelay_domains = ours.test")
    assert not answer(result, tmp_path, INSIDE, "b@else.test", "a@else.test").accepted
    assert "senders of other domains" in left(result)
    assert "mail to contoso.test: mail from strangers to contoso.test is taken now" in left(result)
    named = imported(tmp_path, "mynetworks = 10.1.0.0/16\nrelay_domains = ours.test", own=("else.test", "ours.test"))
    assert answer(named, tmp_path, INSIDE, "b@else.test", "a@far.test").accepted
    assert not answer(named, tmp_path, OUTSIDE, "b@else.test", "a@far.test").accepted


def test_a_server_that_took_nothing_from_strangers_takes_nothing(tmp_path: Path) -> None:
    result = imported(tmp_path, "mynetworks = 10.1.0.0/16")
    assert not answer(result, tmp_path, OUTSIDE, "b@else.test", "a@contoso.test").accepted
    assert answer(result, tmp_path, INSIDE, "b@contoso.test", "a@contoso.test").accepted


def test_a_password_is_nowhere_in_the_result(tmp_path: Path) -> None:
    main = (
        "relayhost = [r.test]:465\nsmtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\n"
        "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\n"
    )
    result = imported(tmp_path, main, sasl_passwd="[r.test]:465 contoso:top:secret\n")
    (route,) = settings_of(result, tmp_path).routes
    assert route.authentication is not None and route.authentication.user_name == "contoso"
    assert route.authentication.password == "file:/etc/staffetta/secrets/r.test"
    assert route.implicit_tls and route.tls is TlsLevel.REQUIRED
    assert "secret" not in result.toml.replace("/secrets/", "").replace("a password never stands", "")
    assert "write what follows contoso:" in left(result)


def test_a_login_in_clear_becomes_one_with_tls(tmp_path: Path) -> None:
    main = "relayhost = [r.test]\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = inline:{{r.test=u:p}}\n"
    (route,) = settings_of(imported(tmp_path, main), tmp_path).routes
    assert route.tls is TlsLevel.REQUIRED


MASTER = """
smtp       inet  n - y - - smtpd
2525       inet  n - y - - smtpd
submission inet  n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }
127.0.0.1:10587 inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject
smtps      inet  n - y - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup     unix  n - y 60 1 pickup
"""


def test_services_become_listeners(tmp_path: Path) -> None:
    main = "inet_protocols = ipv4\nsmtpd_tls_cert_file = /etc/ssl/mail.pem\nsmtpd_tls_key_file = /etc/ssl/mail.key\n"
    settings = settings_of(imported(tmp_path, main, MASTER), tmp_path)
    assert [(each.address, each.kind, each.implicit_tls) for each in settings.listeners] == [
        ("0.0.0.0:25", ListenerKind.RELAY, False),
        ("0.0.0.0:2525", ListenerKind.RELAY, False),
        ("0.0.0.0:587", ListenerKind.SUBMISSION, False),
        ("127.0.0.1:10587", ListenerKind.SUBMISSION, False),
        ("0.0.0.0:465", ListenerKind.SUBMISSION, True),
    ]
    assert {each.certificate for each in settings.listeners} == {Path("/etc/ssl/mail.pem")}
    assert {each.private_key for each in settings.listeners} == {Path("/etc/ssl/mail.key")}


@pytest.mark.parametrize(
    ("main", "addresses"),
    [
        ("inet_interfaces = all", ["0.0.0.0:25", "[::]:25"]),
        ("inet_interfaces = loopback-only", ["127.0.0.1:25", "[::1]:25"]),
        ("inet_interfaces = localhost\ninet_protocols = ipv4", ["127.0.0.1:25"]),
        ("inet_interfaces = 192.0.2.1, [2001:db8::1]", ["192.0.2.1:25", "[2001:db8::1]:25"]),
        ("inet_interfaces = $myhostname, 192.0.2.1", ["192.0.2.1:25"]),
    ],
)
def test_addresses_to_listen_at(tmp_path: Path, main: str, addresses: list[str]) -> None:
    assert [each.address for each in settings_of(imported(tmp_path, main), tmp_path).listeners] == addresses


def test_logging_in_on_port_25_becomes_a_submission_listener(tmp_path: Path) -> None:
    main = (
        "smtpd_sasl_auth_enable = yes\ninet_protocols = ipv4\nsmtpd_sender_login_maps = inline:"
        "{{ann@ours.test=ann@ours.test}, {@ours.test=erp@ours.test}}\n"
    )
    result = imported(tmp_path, main)
    settings = settings_of(result, tmp_path)
    assert [each.address for each in settings.listeners] == ["0.0.0.0:25", "0.0.0.0:587"]
    assert {each.user_name: each.send_as for each in settings.accounts} == {
        "ann@ours.test": (),
        "erp@ours.test": ("*@ours.test",),
    }
    assert "give each of [[accounts]] a password" in left(result)


def test_client_certificates_by_fingerprint(tmp_path: Path) -> None:
    sha256, md5 = ":".join(["AB"] * 32), ":".join(["AB"] * 16)
    main = (
        "smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\n"
        "relay_clientcerts = hash:/etc/postfix/certs\n"
    )
    result = imported(tmp_path, main, certs=f"{sha256} gate\n{md5} old\n")
    connector, _ = settings_of(result, tmp_path).inbound_connectors
    assert connector.tls_sender_certificate_fingerprints == (sha256,)
    assert connector.require_tls
    assert "1 fingerprints are sha256, which is no proof any more" in left(result)


def test_numbers_and_times(tmp_path: Path) -> None:
    main = (
        "message_size_limit = 20480000\nmaximal_queue_lifetime = 5\nminimal_backoff_time = 5m\n"
        "maximal_backoff_time = 4000s\ndelay_warning_time = 4h\nsmtpd_recipient_limit = 50\nhopcount_limit = 20\n"
        "header_size_limit = 0\n"
    )
    result = imported(tmp_path, main)
    settings = settings_of(result, tmp_path)
    assert settings.limits.message_octets_max == 20_480_000
    assert (settings.limits.recipients_max, settings.limits.received_max) == (50, 20)
    assert settings.queue.expire_seconds == 5 * 86_400
    assert (settings.queue.retry_first_seconds, settings.queue.retry_max_seconds) == (300, 4000)
    assert settings.queue.delay_notice_seconds == 4 * 3600
    assert "header_size_limit: 0 is no limit, and we have one" in left(result)


def test_what_cannot_be_carried_over_is_told_with_what_to_do(tmp_path: Path) -> None:
    main = (
        "virtual_alias_maps = hash:/etc/postfix/virtual\nheader_checks = regexp:/etc/postfix/checks\n"
        "smtpd_milters = inet:127.0.0.1:8891\ncanonical_maps = pcre:/etc/postfix/canonical\nmystery = 42\n"
        "transport_maps = ldap:/etc/postfix/ldap.cf\nqueue_directory = /var/spool/postfix\nbiff = no\n"
        "smtpd_recipient_restrictions = reject_rbl_client zen.example.test, permit_mynetworks, "
        "reject_unauth_destination, check_policy_service inet:127.0.0.1:10023\n"
    )
    told = left(imported(tmp_path, main))
    for what in ("virtual_alias_maps", "header_checks", "smtpd_milters", "canonical_maps", "mystery", "ldap:"):
        assert what in told
    assert "reject_rbl_client zen.example.test" in told
    assert "check_policy_service inet:127.0.0.1:10023" in told
    assert "biff" not in told and "queue_directory" not in told
    assert all(each.instead for each in imported(tmp_path, main).left)


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ("this is no parameter", "line 4 is not `name = value`"),
        ("mynetworks = $loop\nloop = $mynetworks", "names itself"),
        ("mynetworks = ${x", "a brace stays open"),
    ],
)
def test_what_is_no_main_cf_is_told(tmp_path: Path, main: str, words: str) -> None:
    with pytest.raises(CannotImport, match=words):
        imported(tmp_path, main)


def test_a_table_that_is_not_there_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    result = imported(tmp_path, "relayhost = [r.test]\ntransport_maps = hash:/nowhere/transport")
    assert "transport cannot be read: No such file or directory" in left(result)
    assert settings_of(result, tmp_path).default_route == "relayhost"


def test_values_cannot_break_out_of_the_comments(tmp_path: Path) -> None:
    result = imported(tmp_path, 'virtual_alias_maps = x\u202e[[routes]]\nrelayhost = [r.test]\nmystery = "\x1b[evil]')
    assert len(settings_of(result, tmp_path).routes) == 1
