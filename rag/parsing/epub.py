"""EPUB: a zip of HTML pages, in the order of its spine."""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lxml import etree

from rag.parsing import html
from rag.parsing.archives import parts
from rag.parsing.base import Member, Parsed, ParseError, Part, join, one_line
from rag.parsing.encoding import decode
from rag.parsing.metadata import by_people

_MOST_BYTES = 300_000_000
_METADATA = {
    **{name: name for name in ("title", "language", "date", "description", "publisher")},
    "creator": "author",
    "subject": "keywords",
}
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_NOT_KNOWN = ("Unknown Title", "Unknown Author")
"""LibreOffice's placeholders for missing values."""


def parse(content: bytes) -> Parsed:
    """Text, headings and metadata. Raises ParseError if it is broken or encrypted."""
    book = _Book(content)
    container = book.markup("META-INF/container.xml")
    file = next(container.iter("{*}rootfile"), None)
    if file is None:
        raise ParseError("is not an EPUB: it has no package file")

    path = str(file.get("full-path", ""))
    package = book.markup(path)
    text, blocks = join(_parts(book, package, posixpath.dirname(path)))
    return Parsed(text, blocks, _metadata(package))


class _Book:
    """Its files by name, with a limit on their total size."""

    def __init__(self, content: bytes) -> None:
        self._parts: dict[str, Member] = {part.name: part for part in parts(content)}
        self._left = _MOST_BYTES
        """bytes that may still be read"""

    def markup(self, name: str) -> Any:
        """Root of an XML file, as far as it is well-formed, without entities and network."""
        parser = etree.XMLParser(
            recover=True,
            remove_comments=True,
            remove_pis=True,
            resolve_entities=False,
            no_network=True,
        )
        source = self.text(name).encode("utf-8", "replace")
        root = etree.fromstring(source, parser)
        if root is None:
            return etree.Element("empty")
        return root

    def text(self, name: str) -> str:
        """The text of a file. Raises ParseError if it is missing or too large."""
        part = self._parts.get(name)
        if part is None:
            raise ParseError(f"is an incomplete EPUB: {name} is missing")
        content = part.read(self._left)
        self._left -= len(content)
        return decode(content)


def _metadata(package: Any) -> dict[str, str]:
    """The values of Dublin Core that the package has. Only authors and keywords may be several."""
    metadata: dict[str, str] = {}
    for name, key in _METADATA.items():
        texts: list[str] = []
        for tag in package.iter(_DUBLIN_CORE + name):
            text = one_line("".join(tag.itertext()))
            if text not in _NOT_KNOWN:
                texts.append(text)

        if key not in ("author", "keywords"):
            texts = texts[:1]
        filled_texts = [text for text in texts if text]
        if filled_texts:
            metadata[key] = ", ".join(filled_texts)
    return by_people(metadata.items())


def _parts(book: _Book, package: Any, folder: str) -> Iterator[Part]:
    """The parts of the pages in the order of the spine, without the navigation."""
    items = {item.get("id"): item for item in package.iter("{*}item")}
    for reference in package.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            continue
        properties = item.get("properties", "").split()
        is_page = "html" in item.get("media-type", "html")
        if is_page and "nav" not in properties:
            address = unquote(item.get("href", ""))
            name = posixpath.normpath(posixpath.join(folder, address))
            yield from html.fragment(book.text(name))
