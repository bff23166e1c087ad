"""Roads by name: what presets fill in, what outbound connectors stand for, and how smart hosts are written."""

from pathlib import Path
from typing import Any

import pytest

from staffetta.settings.model import Settings
from staffetta.settings.objects import MtaStsMode, Organization, OutboundConnector, OutboundTls, SmtpDaneMode
from staffetta.settings.outbound import find_route, smart_host
from staffetta.settings.roads import Authentication, Mechanism, NextHop, Preset, Route, TlsLevel, Transport


def found(name: str = "out", *, connectors: tuple[OutboundConnector, ...] = (), **route: Any) -> Route:
    settings = Settings(
        hostname="relay.test",
        data_dir=Path("/nowhere"),
        routes=(Route(name="out", **route),),
        outbound_connectors=connectors,
    )
    road = find_route(settings, name)
    assert road is not None
    assert find_route(settings, name) is road
    return road


LOGIN = Authentication(user_name="relay@contoso.test", token_source="entra")
PRESETS = {
    "the mail exchanger of a tenant": (
        {"preset": Preset.EXCHANGE_CONNECTOR, "next_hops": (NextHop(host="contoso-com.mail.protection.outlook.com"),)},
        ("contoso-com.mail.protection.outlook.com", 25, TlsLevel.VERIFIED, 20, None, None),
    ),
    "a mailbox of Exchange": (
        {"preset": Preset.EXCHANGE_SUBMISSION, "authentication": LOGIN},
        ("smtp.office365.com", 587, TlsLevel.VERIFIED, 3, 30, 10_000),
    ),
    "what is said goes before": (
        {"preset": Preset.EXCHANGE_SUBMISSION, "authentication": LOGIN, "concurrency": 1, "tls": TlsLevel.REQUIRED},
        ("smtp.office365.com", 587, TlsLevel.REQUIRED, 1, 30, 10_000),
    ),
    "another host of the same kind": (
        {"preset": Preset.EXCHANGE_SUBMISSION, "next_hops": (NextHop(host="smtp-hve.mx.microsoft"),)},
        ("smtp-hve.mx.microsoft", 587, TlsLevel.VERIFIED, 3, 30, 10_000),
    ),
    "another port": (
        {"preset": Preset.AMAZON_SES, "next_hops": (NextHop(host="email-smtp.eu.test", port=2587),)},
        ("email-smtp.eu.test", 2587, TlsLevel.VERIFIED, 20, None, None),
    ),
    "Google": (
        {"preset": Preset.GOOGLE_WORKSPACE},
        ("smtp-relay.gmail.com", 587, TlsLevel.VERIFIED, 20, None, None),
    ),
}


@pytest.mark.parametrize(("given", "expected"), PRESETS.values(), ids=PRESETS.keys())
def test_a_preset_fills_what_is_not_said(given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    road = found(**given)
    (hop,) = road.next_hops
    assert road.transport is Transport.SMTP
    assert (
        hop.host,
        hop.port,
        road.tls,
        road.concurrency,
        road.messages_per_minute,
        road.recipients_per_day,
    ) == expected


def test_a_preset_says_how_one_logs_in_unless_there_is_a_password() -> None:
    by_token = found(preset=Preset.EXCHANGE_SUBMISSION, authentication=LOGIN).authentication
    assert by_token is not None
    assert by_token.mechanism is Mechanism.XOAUTH2
    with_password = Authentication(user_name="relay@contoso.test", password="${PASSWORD}")
    by_password = found(preset=Preset.EXCHANGE_SUBMISSION, authentication=with_password).authentication
    assert by_password is not None
    assert by_password.mechanism is Mechanism.PLAIN


def test_graph_is_a_transport_with_a_mailbox_s_limits() -> None:
    road = found(preset=Preset.EXCHANGE_GRAPH, token_source="entra")
    assert (road.transport, road.concurrency, road.messages_per_minute) == (Transport.GRAPH, 3, 30)


CONNECTORS = {
    "to the exchangers": (
        {},
        {"transport": Transport.MX, "tls": TlsLevel.OPPORTUNISTIC, "dane": True, "dane_required": False},
    ),
    "without DANE and MTA-STS": (
        {"smtp_dane_mode": SmtpDaneMode.NONE, "mta_sts_mode": MtaStsMode.NONE},
        {"dane": False, "mta_sts": False},
    ),
    "with DANE or not at all": ({"smtp_dane_mode": SmtpDaneMode.MANDATORY}, {"dane": True, "dane_required": True}),
    "to smart hosts": (
        {"use_mx_record": False, "smart_hosts": ("mail.test", "[192.0.2.1]:2525")},
        {
            "transport": Transport.SMTP,
            "next_hops": (NextHop(host="mail.test"), NextHop(host="192.0.2.1", port=2525)),
            "tls": TlsLevel.OPPORTUNISTIC,
        },
    ),
    "encryption only": ({"tls_settings": OutboundTls.ENCRYPTION_ONLY}, {"tls": TlsLevel.REQUIRED, "tls_names": ()}),
    "a trusted certificate of any name": (
        {"tls_settings": OutboundTls.CERTIFICATE_VALIDATION},
        {"tls": TlsLevel.VERIFIED, "tls_names": ("*",)},
    ),
    "a trusted certificate of this name": (
        {"tls_settings": OutboundTls.DOMAIN_VALIDATION, "tls_domain": "*.contoso.test"},
        {"tls": TlsLevel.VERIFIED, "tls_names": ("*.contoso.test",)},
    ),
}


@pytest.mark.parametrize(("given", "expected"), CONNECTORS.values(), ids=CONNECTORS.keys())
def test_a_connector_stands_for_a_road(given: dict[str, Any], expected: dict[str, Any]) -> None:
    road = found("To partner", connectors=(OutboundConnector(name="To partner", **given),))
    assert {key: getattr(road, key) for key in expected} == expected
    assert road.name == "To partner"


def test_a_connector_with_a_route_is_that_route() -> None:
    assert found("by name", connectors=(OutboundConnector(name="by name", route="out"),)).name == "out"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("mail.contoso.test", "mail.contoso.test", 25),
        ("mail.contoso.test:587", "mail.contoso.test", 587),
        ("192.0.2.1", "192.0.2.1", 25),
        ("[192.0.2.1]", "192.0.2.1", 25),
        ("192.0.2.1:26", "192.0.2.1", 26),
        ("2001:db8::1", "2001:db8::1", 25),
        ("[2001:db8::1]:26", "2001:db8::1", 26),
    ],
)
def test_smart_hosts_are_written_as_exchange_writes_them(text: str, host: str, port: int) -> None:
    hop = smart_host(text)
    assert (hop.host, hop.port) == (host, port)


@pytest.mark.parametrize("text", ["", "[192.0.2.1", "[192.0.2.1]x", "a b", "mail.test:", "mail.test:0", "mail.test:x"])
def test_what_is_no_smart_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        smart_host(text)


@pytest.mark.parametrize("uses_mx", [True, False])
@pytest.mark.parametrize("retains", [True, False])
def test_what_exchange_tells_its_own_servers_leaves_by_a_connector_that_retains_it(
    uses_mx: bool, retains: bool
) -> None:
    more: dict[str, Any] = {} if uses_mx else {"use_mx_record": False, "smart_hosts": ("mail.contoso.test",)}
    connector = OutboundConnector(name="tenant", cloud_services_mail_enabled=retains, **more)
    assert found("tenant", connectors=(connector,)).internal_fields is retains


@pytest.mark.parametrize(
    ("organization", "allowed", "is_public_only"),
    [("default", False, False), ("fabrikam", False, True), ("fabrikam", True, False)],
)
def test_connectors_of_an_organization_lead_inside_where_the_operator_allows_it(
    organization: str, allowed: bool, is_public_only: bool
) -> None:
    settings = Settings(
        hostname="relay.test",
        data_dir=Path("/nowhere"),
        organizations=(Organization(name="fabrikam", allow_private_next_hops=allowed),),
        outbound_connectors=(
            OutboundConnector(
                name="hosts", organization=organization, use_mx_record=False, smart_hosts=("mail.contoso.test",)
            ),
            OutboundConnector(name="mx", organization=organization),
        ),
    )
    hosts, exchangers = find_route(settings, "hosts"), find_route(settings, "mx")
    assert hosts is not None and exchangers is not None
    assert hosts.public_addresses_only is is_public_only
    assert not exchangers.allow_private_addresses
