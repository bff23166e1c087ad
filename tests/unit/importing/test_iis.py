"""IIS SMTP's settings, as the metabase and as PowerShell have them, become settings that answer as it did."""

import json
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from staffetta.importing.draft import CannotImport, Imported
from staffetta.importing.iis import import_iis
from staffetta.importing.iis_addresses import relay_addresses
from staffetta.settings.roads import TlsLevel, Transport
from tests.unit.importing.answering import answer, settings_of

# As scripts on the web write the list of one host, 127.0.0.1.
_WORDS = (0x80000018, 0x80000020, 0x8000003C, 0x80000044, 1, 76, 0, 0, 1, 1, 2, 2, 4, 0, 0x8000004C, 0, 0, 0, 0)
ONE_HOST = struct.pack("<19I", *_WORDS) + bytes((255, 255, 255, 255, 127, 0, 0, 1))


def relay_list(granted: dict[str, list[str]] | None = None, denied: dict[str, list[str]] | None = None) -> bytes:
    """Octets of a list: addresses by mask."""

    def addresses(groups: dict[str, list[str]], at: int) -> bytes:
        entries = sum(map(len, groups.values()))
        head, data = struct.pack("<2I", len(groups), entries), b""
        place = at + 8 + 20 * len(groups)
        for mask, listed in groups.items():
            head += struct.pack("<5I", 2, 1 + len(listed), 4, 0, (place + len(data)) | 0x80000000)
            data += IPv4Address(mask).packed + b"".join(IPv4Address(each).packed for each in listed)
        return head + data

    first = addresses(denied or {}, 24)
    second = addresses(granted or {}, 24 + len(first))
    names = 24 + len(first) + len(second)
    offsets = struct.pack("<4I", *(at | 0x80000000 for at in (24, 24 + len(first), names, names + 8)))
    return offsets + struct.pack("<2I", 1, names + 16) + first + second + bytes(16)


RELAY = relay_list({"255.255.255.255": ["192.0.2.7", "192.0.2.8"], "255.255.255.0": ["10.1.2.0"]})
METABASE = """<?xml version="1.0"?>
<configuration xmlns="urn:microsoft-catalog:XML_Metabase_V64_0"><MBProperty>
<IIsSmtpServer Location="/LM/SmtpSvc/1" FullyQualifiedDomainName="IIS01.contoso.test" DefaultDomain="contoso.test"
  SmartHost="[smtp.provider.test]" SmartHostType="2" RouteAction="260" RouteUserName="contoso" RoutePassword="49634462"
  RemoteSmtpPort="587" RelayForAuth="-1" RelayIpList="{relay}" ServerBindings=":25:&#10;192.0.2.1:2525:" AuthFlags="3"
  MaxMessageSize="2097152" MaxRecipients="100" PickupDirectory="C:\\inetpub\\mailroot\\Pickup" />
<IIsSmtpDomain Location="/LM/SmtpSvc/1/Domain/partner.test" RouteAction="4100" RouteActionString="[10.0.0.5]" />
<IIsSmtpDomain Location="/LM/SmtpSvc/1/Domain/*.legal.test" RouteAction="6" RouteActionString="gw.legal.test" />
<IIsSmtpDomain Location="/LM/SmtpSvc/1/Domain/local.test" RouteAction="32" />
<IIsSmtpServer Location="/LM/SmtpSvc/2" FullyQualifiedDomainName="second.contoso.test" />
</MBProperty></configuration>
"""


def metabase(text: str = METABASE, relay: bytes = RELAY) -> Imported:
    return import_iis("MetaBase.xml", text.replace("{relay}", relay.hex()), "here.contoso.test")


def test_the_list_that_scripts_write_is_read() -> None:
    assert relay_addresses(ONE_HOST).granted == (IPv4Network("127.0.0.1/32"),)
    assert relay_addresses(ONE_HOST).denied == ()


@pytest.mark.parametrize("octets", [b"", b"\1", ONE_HOST[:60], ONE_HOST[:-1], bytes(80), b"\xff" * 80])
def test_octets_of_another_form_are_not_guessed_at(octets: bytes) -> None:
    try:
        assert relay_addresses(octets).granted == ()
    except ValueError as error:
        assert str(error) in ("it ends too early", "it has another form")


@pytest.mark.parametrize(
    ("ip", "to", "accepted", "hops"),
    [
        ("192.0.2.7", "a@far.test", True, ("smtp.provider.test:587",)),
        ("10.1.2.99", "a@far.test", True, ("smtp.provider.test:587",)),
        ("10.1.3.1", "a@far.test", False, ()),
        ("203.0.113.1", "a@partner.test", True, ("10.0.0.5:25",)),
        ("192.0.2.7", "a@x.legal.test", True, ("gw.legal.test:25",)),
        ("203.0.113.1", "a@x.legal.test", False, ()),
    ],
)
def test_who_may_send_where_is_as_before(
    tmp_path: Path, ip: str, to: str, accepted: bool, hops: tuple[str, ...]
) -> None:
    found = answer(metabase(), tmp_path, ip, "b@contoso.test", to)
    assert (found.accepted, found.next_hops) == (accepted, hops)


def test_what_the_metabase_says(tmp_path: Path) -> None:
    result = metabase()
    settings = settings_of(result, tmp_path)
    assert settings.hostname == "iis01.contoso.test"
    assert [each.address for each in settings.listeners] == ["0.0.0.0:25", "192.0.2.1:2525"]
    assert settings.inbound_connectors[0].sender_ip_addresses == ("192.0.2.7", "192.0.2.8", "10.1.2.0/24")
    smarthost = settings.routes[0]
    assert smarthost.tls is TlsLevel.REQUIRED
    assert smarthost.authentication is not None and smarthost.authentication.user_name == "contoso"
    assert smarthost.authentication.password == "file:/etc/staffetta/secrets/smarthost"
    assert "49634462" not in result.toml
    assert (settings.limits.message_octets_max, settings.limits.recipients_max) == (2_097_152, 100)
    left = {each.what for each in result.left}
    assert {"RoutePassword", "RelayForAuth", "AuthFlags", "PickupDirectory", "local domain local.test"} <= left


def test_powershell_says_the_same(tmp_path: Path) -> None:
    row = {
        "Name": "SmtpSvc/1",
        "FullyQualifiedDomainName": "iis01.contoso.test",
        "DefaultDomain": "contoso.test",
        "SmartHost": "",
        "RelayForAuth": 0,
        "RelayIpList": list(RELAY),
        "ServerBindings": [":25:"],
    }
    result = import_iis("iis.json", json.dumps(row), "here.contoso.test")
    (route,) = settings_of(result, tmp_path).routes
    assert route.transport is Transport.MX
    assert answer(result, tmp_path, "192.0.2.8", "b@contoso.test", "a@far.test").accepted
    assert not answer(result, tmp_path, "203.0.113.1", "b@far.test", "a@contoso.test").accepted


@pytest.mark.parametrize(
    "relay", [relay_list(denied={"255.255.255.255": ["192.0.2.66"]}), relay_list({"0.0.0.0": ["0.0.0.0"]})]
)
def test_all_but_a_list_is_an_open_door_and_not_carried_over(tmp_path: Path, relay: bytes) -> None:
    result = metabase(relay=relay)
    assert not answer(result, tmp_path, "203.0.113.1", "b@contoso.test", "a@far.test").accepted
    assert any("open door" in each.why for each in result.left)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<configuration/>", "there is no IIsSmtpServer in it"),
        ("<configuration", "this is no XML"),
        ('<!DOCTYPE x [<!ENTITY y "z">]><x/>', "declares entities"),
        ('{"Name": "Default Web Site"}', "no settings of IIS SMTP"),
        ("hello", "neither JSON nor CSV"),
    ],
)
def test_what_is_no_export_is_told(text: str, words: str) -> None:
    with pytest.raises(CannotImport, match=words):
        import_iis("x", text, "here.contoso.test")
