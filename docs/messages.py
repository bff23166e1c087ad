"""The texts of the console, gathered into the files of the languages (`make messages`).

`it.po` has those of templates and handlers: what is new stands there without a translation, which a test refuses.
`it-registry.po` has those of the operations, names in words and descriptions; what is not translated is shown in
English. `it-sentences.po` has what operations, policy and doctor say of what they found, as a template with places for
values; all of it is translated, too. What nothing says any more is left out of all three.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from staffetta.admin.web.languages import DEFAULT, NAMES, REGISTRY, SENTENCES
from staffetta.admin.web.values import words
from staffetta.doctor.catalogue import CHECKS
from staffetta.operations.registry import operations
from staffetta.settings.objects import outside_name

WEB = Path(__file__).parent.parent / "staffetta" / "admin" / "web"
_KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "language": None,
    "ngettext": (1, 2),
    "several": (1, 2),
}

Message = str | tuple[str, str]


def said() -> Iterator[tuple[Message, str]]:
    """Yield every text, one or two where it tells of a number of things, with the file that says it."""
    for method, files in (("jinja2.ext:babel_extract", WEB.rglob("*.html")), ("python", WEB.rglob("*.py"))):
        options = {"trimmed": "false", "newstyle_gettext": "true"}
        for path in sorted(files):
            with path.open("rb") as source:
                for _, message, _, _ in extract(method, source, _KEYWORDS, options=options):
                    if message:
                        pair = message if isinstance(message, str) else (message[0], message[1])
                        yield pair, str(path.relative_to(WEB))


def said_by_operations() -> Iterator[tuple[Message, str]]:
    """Yield what operations say of themselves, their parameters and properties, as forms and lists show it."""
    for operation in operations():
        if operation.is_change:
            yield operation.summary, operation.noun
            yield words(operation.noun), operation.noun
        for parameter in operation.parameters:
            yield words(parameter.name), operation.noun
            yield parameter.description, operation.noun
        for name in operation.output.model_fields if operation.output else ():
            yield words(outside_name(name)), operation.noun


def said_of_what_is_found() -> Iterator[tuple[Message, str]]:
    """Yield every template of a Sentence, and what the doctor says of each kind of finding."""
    package = WEB.parent.parent
    for path in sorted(package.rglob("*.py")):
        if not path.is_relative_to(WEB):
            with path.open("rb") as source:
                for _, message, _, _ in extract("python", source, {"sentence": None}):
                    if isinstance(message, str):
                        yield message, str(path.relative_to(package))
    for kind in (kind for check in CHECKS for kind in check.kinds):
        yield kind.why, f"doctor/{kind.code}"
        yield kind.action, f"doctor/{kind.code}"


def translations(name: str) -> Catalog:
    """Return what is translated. name: of the file, such as `it` or `it-registry`."""
    path = WEB / "locale" / f"{name}.po"
    return read_po(io.BytesIO(path.read_bytes()), locale=name[:2])


def main() -> None:
    for code in NAMES:
        if code != DEFAULT:
            _write(code, said())
            _write(f"{code}{REGISTRY}", said_by_operations())
            _write(f"{code}{SENTENCES}", said_of_what_is_found())


def _write(name: str, messages: Iterator[tuple[Message, str]]) -> None:
    path = WEB / "locale" / f"{name}.po"
    known = translations(name) if path.exists() else Catalog(locale=name[:2])
    catalog = Catalog(locale=name[:2], fuzzy=False, header_comment=f"# The console in {NAMES[name[:2]]}.")
    for message, place in messages:
        if message:
            old = known.get(message[0] if isinstance(message, tuple) else message)
            catalog.add(message, old.string if old else None, locations=[(place, None)])
    catalog.creation_date = catalog.revision_date = known.creation_date
    with path.open("wb") as target:
        write_po(target, catalog, width=120, omit_header=False, include_lineno=False, sort_output=True)


if __name__ == "__main__":
    main()
