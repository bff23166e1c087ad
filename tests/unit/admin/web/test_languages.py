"""English and Italian, complete."""

import re
from string import Formatter

import pytest

from docs.messages import said, said_by_operations, said_of_what_is_found, translations
from staffetta.admin.web.languages import NAMES, languages, preferred
from staffetta.mail.sentence import sentence
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


def test_what_is_found_is_italian_with_every_value_in_its_place() -> None:
    wanted = {message for message, _ in said_of_what_is_found()}
    there = {str(each.id): str(each.string) for each in translations("it-sentences") if each.id}
    assert wanted == there.keys(), "run `make messages`"
    assert [text for text, told in there.items() if not told] == []
    for text, told in there.items():
        assert sorted(_places(text)) == sorted(_places(told)), text


def _places(template: str) -> list[str]:
    return [f"{name}!{conversion}:{form}" for _, name, form, conversion in Formatter().parse(template) if name]


def test_a_sentence_is_said_in_the_language_with_what_is_said_in_it() -> None:
    ways = sentence("{one} and {other}", one=sentence("by nothing"), other="{x} %(y)s")
    text = sentence("Clients are known {ways}; they may relay to every recipient.", ways=ways)
    told = languages()["it"](text)
    assert told == "I client si riconoscono da nulla e {x} %(y)s; possono inoltrare a ogni destinatario."
    assert languages()["en"](text) == text


def test_findings_and_explanations_are_italian(ada: Browser, site: Console) -> None:
    italian = {"Accept-Language": "it"}
    page = ada.get("/simulator?IP=198.51.100.9&From=ada@contoso.com&To=eve@outside.test", **italian)
    assert "Il dominio del destinatario qui non è accettato" in page
    assert "Creare un connettore per questo host, se è proprio." in page
    assert "eve@outside.test, il cui dominio qui non è accettato" in page
    page = ada.get("/connectors/check?name=SenderIPAddresses&value=10.0.0.0/8", **italian)
    assert "16,777,216 indirizzi" in page
    assert '<bdi lang="it">' in page
    site.office("New-InboundConnector", Name="P", SenderDomains="*", SenderIPAddresses="192.0.2.9")
    page = ada.get("/connectors/switch?id=P&to=off", **italian)
    assert "È disattivato: nessuno vi corrisponde finché non viene attivato." in page


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
