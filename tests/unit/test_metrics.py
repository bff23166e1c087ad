from prometheus_client import generate_latest

from staffetta import metrics


def test_every_label_combination_is_present_at_zero_from_the_start() -> None:
    metrics.present_at_zero(listeners=["quiet"], routes=["nowhere"], reasons=["relay denied"])
    text = generate_latest().decode()
    for result in metrics.SESSION_RESULTS:
        assert f'staffetta_sessions_total{{listener="quiet",result="{result}"}} 0.0' in text
    for state in metrics.RECIPIENT_STATES:
        assert f'staffetta_queue_recipients{{route="nowhere",state="{state}"}} 0.0' in text
    assert 'staffetta_refusals_total{reason="relay denied"}' in text


def test_names_carry_the_product_and_a_base_unit() -> None:
    for metric in metrics.all_metrics():
        description = next(iter(metric.describe()))
        assert description.name.startswith("staffetta_")
        assert not description.name.endswith(("_ms", "_milliseconds", "_kilobytes", "_octets"))
