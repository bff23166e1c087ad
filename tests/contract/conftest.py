"""Each promise is checked on the fake and on SQLite."""

import pytest


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)
