"""The document describes what the server does: schemathesis makes requests of it and checks the answers."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from staffetta.admin.openapi import document
from tests.unit.admin.serving import Web, serving

EXAMPLES = 4
# A document cannot say which domains exist, and we read more notations than it names: "1" is a number and a true.
NOT_CHECKED = [checks.positive_data_acceptance, checks.negative_data_rejection]

OPERATIONS: dict[str, Any] = {
    operation.label: operation
    for operation in (result.ok() for result in schemathesis.openapi.from_dict(document()).get_all_operations())
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("web")) as web:
        yield web


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(document()).validate()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_that_are_described(web: Web, label: str, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        case.call_and_validate(
            base_url=f"http://{web.address}",
            headers={"Authorization": "Bearer all"},
            excluded_checks=NOT_CHECKED,
        )

    answers()
