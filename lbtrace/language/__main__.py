"""`python -m lbtrace.language`: bring the catalogues up to date and compile them. Needs Babel.

New texts get an empty translation, which means English; texts that are gone are dropped. Run it
after a change of `lbtrace.po` as well: what is read at run time is `lbtrace.mo`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from lbtrace.language import DOMAIN, ENGLISH, ROOM, languages
from lbtrace.language.extract import texts

HEADER = """\
msgid ""
msgstr ""
"Project-Id-Version: lbtrace\\n"
"Language: {language}\\n"
"Plural-Forms: {forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)


def template() -> Catalog:
    """Every text that can be translated, with the places where it stands."""
    catalog = Catalog(project=DOMAIN, fuzzy=False)
    for found in texts():
        ids = (found.one, found.many) if found.many else found.one
        catalog.add(ids, locations=[(found.module, 0)], context=None)
    return catalog


def read(language: str) -> Catalog:
    """The catalogue of a language."""
    with path(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def path(language: str) -> Path:
    """Where its translations are written."""
    return ROOM / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def updated(language: str) -> bytes:
    """The catalogue with today's texts."""
    catalog = read(language)
    catalog.update(template(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    out = BytesIO()
    write_po(out, catalog, width=98, omit_header=True, include_lineno=False, sort_output=True)
    return HEADER.format(language=language, forms=catalog.plural_forms).encode() + out.getvalue()


def compiled(language: str) -> bytes:
    """The catalogue as it is read at run time: what has a translation."""
    written, out = read(language), BytesIO()
    catalog = Catalog(locale=language, domain=DOMAIN)
    catalog.creation_date = catalog.revision_date = NO_DATE  # the same texts are the same bytes
    for message in written:
        if message.id and message.string and all(message.string):
            catalog.add(message.id, message.string)
    write_mo(out, catalog)
    return out.getvalue()


def main() -> None:
    """All languages that have a catalogue."""
    for language in languages():
        if language != ENGLISH:
            path(language).write_bytes(updated(language))
            path(language).with_suffix(".mo").write_bytes(compiled(language))
            done = sum(bool(m.id and m.string and all(m.string)) for m in read(language))
            print(f"{language}: {done} of {len(read(language))} texts are translated")


if __name__ == "__main__":
    main()
