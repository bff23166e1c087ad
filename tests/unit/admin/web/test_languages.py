"""English and Italian, complete."""

import re

import pytest

from docs.messages import said, said_by_operations, translations
from staffetta.admin.web.languages import NAMES, languages, preferred
from tests.unit.admin.web.browser import Browser, Console

_PLACE = re.compile(r"%\(\w+\)[sd]")


def test_every_text_has_an_italian_translation_and_none_is_stale() -> None:
    wanted = {message if isinstance(message, str) else message[0] for message, _ in said()}
    there = {each.id if isinstance(each.id, str) else each.id[0]: each.string for each in translations("it") if each.id}
    assert wanted - there.keys() == set(), "run `make messages`"
    assert there.keys() - wanted == set(), "run `make messages`"
    untold = [text for text, told in there.items() if not (told if isinstance(told, str) else all(told))]
    assert untold == []


def test_what_operations_say_is_italian_too_but_for_what_is_new() -> None:
    told = {each.id: each.string for each in translations("it-registry") if each.id and each.string}
    said_here = {message for message, _ in said_by_operations() if message}
    assert len(said_here - told.keys()) <= len(said_here) // 5, "run `make messages`, and translate"
    assert languages()["it"]("Sender IP addresses") == "Indirizzi IP dei mittenti"
    assert languages()["it"]("never said") == "never said"


def test_translations_keep_the_places_for_values() -> None:
    for each in translations("it"):
        for text, told in zip(*((x,) if isinstance(x, str) else x for x in (each.id, each.string)), strict=True):
            assert sorted(_PLACE.findall(text)) == sorted(_PLACE.findall(told)), text


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("", "en"),
        ("it", "it"),
        ("it-IT,it;q=0.9,en;q=0.8", "it"),
        ("de,en;q=0.5,it;q=0.7", "it"),
        ("de", "en"),
        ("it;q=0,en", "en"),
        ("it;q=high, ;;,", "en"),
    ],
)
def test_the_browser_s_language_is_spoken(asked: str, code: str) -> None:
    assert preferred(asked) == code


def test_forms_and_lists_of_the_registry_are_italian(ada: Browser) -> None:
    page = ada.get("/connectors/do/New-InboundConnector", **{"Accept-Language": "it"})
    assert "Domini dei mittenti" in page
    assert "Uno per riga." in page
    assert "Crea un connettore in entrata." in page
    assert "Tipo di dominio" in ada.get("/accepted-domains", **{"Accept-Language": "it"})


def test_the_switch_stands_above_the_browser_s_wish(site: Console) -> None:
    browser = site.browser()
    assert 'lang="it"' in browser.get("/first-administrator", **{"Accept-Language": "it"})
    browser.post("/preferences", {**browser.form("/preferences"), "language": "en", "next": "/first-administrator"})
    assert browser.location == "/first-administrator"
    assert '<html lang="en"' in browser.get(browser.location, **{"Accept-Language": "it"})
    assert set(NAMES) == {"en", "it"}
