"""The texts of the console, gathered from templates and handlers into the files of the languages (`make messages`).

What is new stands there without a translation, which a test refuses; what nothing says any more is left out.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from staffetta.admin.web.languages import DEFAULT, NAMES

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


def translations(code: str) -> Catalog:
    """Return what is translated."""
    return read_po(io.BytesIO((WEB / "locale" / f"{code}.po").read_bytes()), locale=code)


def main() -> None:
    for code in NAMES:
        if code == DEFAULT:
            continue
        path = WEB / "locale" / f"{code}.po"
        known = translations(code) if path.exists() else Catalog(locale=code)
        catalog = Catalog(locale=code, fuzzy=False, header_comment=f"# The console in {NAMES[code]}.")
        for message, place in said():
            old = known.get(message[0] if isinstance(message, tuple) else message)
            catalog.add(message, old.string if old else None, locations=[(place, None)])
        catalog.creation_date = catalog.revision_date = known.creation_date
        with path.open("wb") as target:
            write_po(target, catalog, width=120, omit_header=False, include_lineno=False, sort_output=True)


if __name__ == "__main__":
    main()
