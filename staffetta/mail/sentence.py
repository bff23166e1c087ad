"""A text for people that remembers what it was made of, so that the console can say it in another language.

Rule: it is the English text wherever it goes; who only shows it, logs it or writes it as JSON needs to know nothing.
`make messages` gathers the templates from the calls of sentence().
"""

from collections.abc import Mapping
from typing import Any


class Sentence(str):
    """template: English, as str.format takes it. values: by name; a Sentence among them is translated as well."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object]) -> "Sentence":
        made = super().__new__(cls, template.format(**values))
        made.template, made.values = template, values
        return made

    def __str__(self) -> "Sentence":
        """The text itself, so that the text of an exception is still what it was made of."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Sentence, (self.template, self.values)


def sentence(template: str, /, **values: object) -> Sentence:
    """Return the text, with the values in their places."""
    return Sentence(template, values)
