"""Connectors of Exchange Server become connectors of ours, and let in whom Exchange let in."""

import json
from pathlib import Path
from typing import Any

import pytest

from staffetta.importing.draft import CannotImport, Imported
from staffetta.importing.exchange import ExchangeFiles, import_exchange
from staffetta.settings.model import ListenerKind
from staffetta.settings.objects import ConnectorType, OutboundTls
from staffetta.settings.roads import TlsLevel
from tests.unit.importing.answering import answer, settings_of

EVERYBODY = ["::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0-255.255.255.255"]
FRONT_END = {
    "Name": "Default Frontend MBX01",
    "Identity": "MBX01\\Default Frontend MBX01",
    "Bindings": ["[::]:25", "0.0.0.0:25"],
    "RemoteIPRanges": EVERYBODY,
    "PermissionGroups": "AnonymousUsers, ExchangeServers, ExchangeLegacyServers",
    "AuthMechanism": "Tls, Integrated, BasicAuth, BasicAuthRequireTLS, ExchangeServer",
    "Fqdn": "MBX01.contoso.test",
    "MaxMessageSize": "36 MB (37,748,736 bytes)",
    "Enabled": True,
}
CLIENT = {
    "Name": "Client Frontend MBX01",
    "Bindings": ["[::]:587", "0.0.0.0:587"],
    "RemoteIPRanges": EVERYBODY,
    "PermissionGroups": "ExchangeUsers",
    "AuthMechanism": "Tls, Integrated, BasicAuth, BasicAuthRequireTLS",
    "Enabled": True,
}
INTERNAL = {**CLIENT, "Name": "Outbound Proxy", "Bindings": ["0.0.0.0:717"], "PermissionGroups": "ExchangeServers"}
ANONYMOUS = {
    "Name": "Anonymous relay",
    "Identity": "MBX01\\Anonymous relay",
    "Bindings": ["0.0.0.0:25"],
    "RemoteIPRanges": ["192.0.2.7", "10.1.0.0/16", "10.9.0.1-10.9.0.4", "172.16.0.0(255.255.0.0)"],
    "PermissionGroups": "AnonymousUsers",
    "AuthMechanism": "Tls",
    "RequireTLS": False,
    "Enabled": True,
}
SECURED = {
    **ANONYMOUS,
    "Name": "Secured",
    "PermissionGroups": "ExchangeServers",
    "AuthMechanism": "Tls, ExternalAuthoritative",
}
NO_RELAY = {**ANONYMOUS, "Name": "Kiosk", "RemoteIPRanges": ["10.1.5.0/24"], "PermissionGroups": "ExchangeUsers"}
PERMISSIONS = [
    {"Identity": "MBX01\\Anonymous relay", "User": "NT AUTHORITY\\ANONYMOUS LOGON", "Deny": False,
     "ExtendedRights": ["ms-Exch-SMTP-Accept-Any-Recipient"]},
    {"Identity": "MBX01\\Default Frontend MBX01", "User": "NT AUTHORITY\\ANONYMOUS LOGON", "Deny": False,
     "ExtendedRights": ["ms-Exch-SMTP-Submit"]},
]  # fmt: skip
SEND = [
    {"Name": "To Internet", "AddressSpaces": ["SMTP:*;1"], "DNSRoutingEnabled": True, "SmartHosts": []},
    {"Name": "To Fabrikam", "AddressSpaces": ["smtp:fabrikam.test;1", "*.fabrikam.test"], "DNSRoutingEnabled": False,
     "SmartHosts": ["mail.fabrikam.test", "[192.0.2.9]"], "Port": 2525, "TlsAuthLevel": "DomainValidation",
     "TlsDomain": "mail.fabrikam.test", "RequireTLS": True, "Enabled": True},
    {"Name": "By provider", "AddressSpaces": ["SMTP:far.test;1"], "DNSRoutingEnabled": False,
     "SmartHosts": ["smtp.provider.test"], "Port": 587, "SmartHostAuthMechanism": "BasicAuthRequireTLS",
     "AuthenticationCredential": {"UserName": "contoso", "Password": {"Length": 9}}, "RequireTLS": True},
]  # fmt: skip
ACCEPTED = [
    {"Name": "contoso.test", "DomainName": "contoso.test", "DomainType": "Authoritative"},
    {"Name": "Partner", "DomainName": {"Domain": "*.shared.test"}, "DomainType": "InternalRelay"},
]


def imported(receive: list[dict[str, Any]], **more: Any) -> Imported:
    texts = {name: json.dumps(value) if isinstance(value, list) else value for name, value in more.items()}
    return import_exchange(
        ExchangeFiles("receive.json", json.dumps(receive), "here.contoso.test", own=("contoso.test",), **texts)
    )


WHOLE = {"send": SEND, "accepted": ACCEPTED, "mailboxes": "mbx01.contoso.test"}


@pytest.mark.parametrize("ip", ["192.0.2.7", "10.1.2.3", "10.9.0.4", "172.16.200.1"])
@pytest.mark.parametrize("relay", [SECURED, ANONYMOUS])
def test_whoever_relayed_relays(tmp_path: Path, ip: str, relay: dict[str, Any]) -> None:
    result = imported([FRONT_END, relay, CLIENT, INTERNAL], permissions=PERMISSIONS, **WHOLE)
    assert answer(result, tmp_path, ip, "b@contoso.test", "a@far.test").next_hops == ("smtp.provider.test:587",)


@pytest.mark.parametrize(
    ("ip", "to", "accepted", "hops"),
    [
        ("203.0.113.5", "a@far.test", False, ()),
        ("203.0.113.5", "a@contoso.test", True, ("mbx01.contoso.test:25",)),
        ("203.0.113.5", "a@x.shared.test", True, ("mbx01.contoso.test:25",)),
        ("10.9.0.5", "a@far.test", False, ()),
        ("10.1.5.9", "a@far.test", False, ()),
        ("10.1.2.3", "a@fabrikam.test", True, ("mail.fabrikam.test:2525", "192.0.2.9:2525")),
        ("10.1.2.3", "a@other.test", True, ("the mail exchangers of other.test",)),
    ],
)
def test_who_may_send_where_is_as_before(
    tmp_path: Path, ip: str, to: str, accepted: bool, hops: tuple[str, ...]
) -> None:
    found = answer(imported([FRONT_END, SECURED, NO_RELAY], **WHOLE), tmp_path, ip, "b@contoso.test", to)
    assert (found.accepted, set(found.next_hops)) == (accepted, set(hops))


def test_a_right_that_the_export_does_not_tell_makes_a_connector_that_is_off(tmp_path: Path) -> None:
    result = imported([FRONT_END, ANONYMOUS], **WHOLE)
    (connector,) = settings_of(result, tmp_path).inbound_connectors
    assert (connector.name, connector.enabled) == ("Anonymous relay", False)
    assert not answer(result, tmp_path, "192.0.2.7", "b@contoso.test", "a@far.test").accepted
    assert any("Get-ADPermission" in each.instead for each in result.left)


def test_an_open_relay_is_told_and_not_made(tmp_path: Path) -> None:
    rights = [{**PERMISSIONS[0], "Identity": "MBX01\\Default Frontend MBX01"}]
    result = imported([FRONT_END], permissions=rights, **WHOLE)
    assert settings_of(result, tmp_path).inbound_connectors == ()
    assert any("open door" in each.why for each in result.left)


def test_a_server_without_strangers_stays_closed(tmp_path: Path) -> None:
    result = imported([SECURED], **WHOLE)
    kinds = [each.connector_type for each in settings_of(result, tmp_path).inbound_connectors]
    assert kinds == [ConnectorType.ON_PREMISES, ConnectorType.PARTNER]
    assert not answer(result, tmp_path, "203.0.113.5", "b@far.test", "a@contoso.test").accepted


def test_bindings_sizes_and_send_connectors(tmp_path: Path) -> None:
    result = imported([FRONT_END, CLIENT, INTERNAL], **WHOLE)
    settings = settings_of(result, tmp_path)
    assert settings.hostname == "mbx01.contoso.test"
    assert [(each.address, each.kind) for each in settings.listeners] == [
        ("[::]:25", ListenerKind.RELAY),
        ("0.0.0.0:25", ListenerKind.RELAY),
        ("[::]:587", ListenerKind.SUBMISSION),
        ("0.0.0.0:587", ListenerKind.SUBMISSION),
    ]
    assert settings.limits.message_octets_max == 37_748_736
    internet, fabrikam, provider = settings.outbound_connectors
    assert internet.use_mx_record and internet.recipient_domains == ("*",)
    assert (fabrikam.tls_settings, fabrikam.tls_domain) == (OutboundTls.DOMAIN_VALIDATION, "mail.fabrikam.test")
    route = next(each for each in settings.routes if each.name == provider.route)
    assert route.tls is TlsLevel.REQUIRED
    assert route.authentication is not None and route.authentication.user_name == "contoso"


def test_csv_says_the_same_as_json(tmp_path: Path) -> None:
    columns = ("Name", "Bindings", "RemoteIPRanges", "PermissionGroups", "AuthMechanism", "Enabled")
    lines = ["#TYPE Selected.Microsoft.Exchange.Data.Directory.SystemConfiguration.ReceiveConnector", ",".join(columns)]
    for row in (FRONT_END, SECURED):
        cells = (";".join(row[name]) if isinstance(row[name], list) else str(row[name]) for name in columns)
        lines.append(",".join(f'"{cell}"' for cell in cells))
    files = ExchangeFiles(
        "receive.csv", "\r\n".join(lines), "mbx01.contoso.test", own=("contoso.test",), mailboxes="m.test"
    )
    (connector,) = settings_of(import_exchange(files), tmp_path).inbound_connectors
    assert connector.sender_ip_addresses == (
        "10.1.0.0/16",
        "10.9.0.1",
        "10.9.0.2/31",
        "10.9.0.4",
        "172.16.0.0/16",
        "192.0.2.7",
    )


def test_numbers_for_flags_as_older_exports_have_them(tmp_path: Path) -> None:
    result = imported([FRONT_END, {**SECURED, "PermissionGroups": 4, "AuthMechanism": 33}], **WHOLE)
    assert answer(result, tmp_path, "192.0.2.7", "b@contoso.test", "a@far.test").accepted


@pytest.mark.parametrize(
    ("receive", "more", "words"),
    [
        ([{"Name": "x"}], {}, "these are no receive connectors"),
        (
            [{**SECURED, "RemoteIPRanges": "Microsoft.Exchange.Data.MultiValuedProperty`1[System.String]"}],
            {},
            "-join ';'",
        ),
        ([{**SECURED, "RemoteIPRanges": ["ten"]}], {}, "'ten' is no range"),
        ([SECURED], {"accepted": ACCEPTED}, "--mailboxes HOST"),
        ([1], {}, "these are no objects"),
    ],
)
def test_what_is_no_export_is_told(receive: list[Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotImport, match=words):
        imported(receive, **more)
