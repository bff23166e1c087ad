import re
from pathlib import Path

import pytest

from docs.generate import FOLDER, PAGES, citations, statuses


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_cited_standard_is_listed() -> None:
    assert set(citations()) <= set(statuses()), "add it to docs/rfc-status.toml"


def test_a_standard_that_we_claim_is_cited_somewhere() -> None:
    claimed = {number for number, (_, status, _) in statuses().items() if status == "yes"}
    assert claimed <= set(citations())


def test_every_setting_has_words() -> None:
    assert "|  |\n" not in PAGES["settings.md"]()


HAND_WRITTEN = ["certificates", "design", "flow", "shell", "spool"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in HAND_WRITTEN)])
def test_links_between_our_documents_lead_somewhere(page: str) -> None:
    path = FOLDER.parent / page
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if ":" not in link and not Path(path.parent / link).exists()] == []
