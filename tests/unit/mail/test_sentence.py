"""A text that remembers what it was made of, and is the plain text for everybody else."""

import copy
import json
import pickle

from staffetta.mail.sentence import Sentence, sentence
from staffetta.operations.errors import OperationError
from staffetta.operations.explain import Explained


def test_it_is_the_english_text_wherever_it_goes() -> None:
    text = sentence("Connector {name} has {count:,} addresses.", name="{odd} %s", count=70000)
    assert text == "Connector {odd} %s has 70,000 addresses."
    assert json.dumps([text]) == '["Connector {odd} %s has 70,000 addresses."]'
    assert f"{text}!" == "Connector {odd} %s has 70,000 addresses.!"


def test_it_is_kept_by_copies_by_exceptions_and_in_rows() -> None:
    text = sentence("Let {name} take this domain.", name="Printers")
    row = Explained(summary=text, seen=(), connectors=(), changes=[text, "plain"], commands=())
    for kept in (
        pickle.loads(pickle.dumps(text)),
        copy.deepcopy(text),
        str(OperationError(text)),
        row.summary,
        row.model_dump()["changes"][0],
    ):
        assert isinstance(kept, Sentence)
        assert (kept, kept.template, kept.values) == (text, "Let {name} take this domain.", {"name": "Printers"})
    assert json.loads(row.model_dump_json(by_alias=True))["Changes"] == ["Let Printers take this domain.", "plain"]
