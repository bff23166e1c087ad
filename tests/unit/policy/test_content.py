import pytest

from staffetta.policy.content import must_lose_internal_fields
from staffetta.policy.decision import Attribution
from staffetta.settings.objects import InboundConnector


@pytest.mark.parametrize(
    ("connector", "must_lose"),
    [
        (None, True),
        (InboundConnector(name="relay", sender_ip_addresses=("192.0.2.1",)), True),
        (InboundConnector(name="hybrid", sender_ip_addresses=("192.0.2.1",), cloud_services_mail_enabled=True), False),
    ],
)
def test_internal_fields_come_in_by_a_hybrid_connector_alone(
    connector: InboundConnector | None, must_lose: bool
) -> None:
    assert must_lose_internal_fields(Attribution(connector)) is must_lose
