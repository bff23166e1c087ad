"""English and Italian. The English sentence is the id; `locale/*.po` is read at start, with no step of building.

`_("…")` in templates and handlers; N_("…") marks a text that is declared in one place and shown in another.
"""

import gettext
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from staffetta.mail.sentence import Sentence

DEFAULT = "en"
REGISTRY, SENTENCES = "-registry", "-sentences"
"""End the names of the files with what operations say of themselves, and with what they say of what they found."""
NAMES = {"en": "English", "it": "Italiano"}


@dataclass(frozen=True, slots=True)
class Language:
    """code: as in `lang`. translations: as gettext has them."""

    code: str
    translations: gettext.NullTranslations

    def __call__(self, text: str) -> str:
        """The text in this language; of a Sentence its template, with what is said in it said so too."""
        if not isinstance(text, Sentence):
            return self.translations.gettext(text)
        values = {name: self(value) if isinstance(value, Sentence) else value for name, value in text.values.items()}
        return self.translations.gettext(text.template).format(**values)

    def shown(self, value: object) -> object:
        """What a page prints: a Sentence in this language, and all else as it is."""
        return self(value) if isinstance(value, Sentence) else value

    def of(self, text: object) -> str:
        """The language in which a text is shown: what an operation says is English, but for its Sentences."""
        return self.code if isinstance(text, Sentence) else DEFAULT

    def several(self, one: str, many: str, number: int) -> str:
        """The text for this number of things."""
        return self.translations.ngettext(one, many, number)


def N_(text: str) -> str:
    """Mark a text as one to translate."""
    return text


@cache
def languages() -> dict[str, Language]:
    """Return all, by code."""
    return {code: Language(code, _translations(code)) for code in NAMES}


def preferred(accepted: str) -> str:
    """Return the language that a browser asks for (RFC 9110 §12.5.4); English where we have none of its."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        try:
            quality = float(rest.strip().removeprefix("q=")) if rest.strip() else 1.0
        except ValueError:
            quality = 0.0
        wanted.append((-quality, tag.lower().partition("-")[0]))
    return next((tag for quality, tag in sorted(wanted, key=lambda each: each[0]) if quality and tag in NAMES), DEFAULT)


def _translations(code: str) -> gettext.NullTranslations:
    if code == DEFAULT:
        return gettext.NullTranslations()
    folder = resources.files("staffetta.admin.web").joinpath("locale")
    whole = Catalog(locale=code)
    for ending in (SENTENCES, REGISTRY, ""):  # where two say something, the console's own counts
        name = f"{code}{ending}.po"
        for message in read_po(io.BytesIO(folder.joinpath(name).read_bytes()), locale=code):
            if message.id:
                whole.delete(message.id)
                whole.add(message.id, message.string)
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
