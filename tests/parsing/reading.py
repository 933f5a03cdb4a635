"""Reads files and sources in tests."""

from rag.parsing.base import Parsed
from rag.parsing.files import FoundFile
from rag.parsing.load import load, load_some
from rag.structure import sections
from rag.types import Document


def load_bytes(name: str, data: bytes | str) -> list[Document]:
    """The documents in a file of this name. Raises InputError if there are none."""
    return load_some(name, data.encode() if isinstance(data, str) else data).documents


def read(file: FoundFile) -> Document:
    """The only document in a file."""
    (document,) = load(file).documents
    return document


def headings(parsed: Parsed | Document) -> list[str]:
    return [section.heading for section in sections(parsed.blocks)]


def places(parsed: Parsed | Document) -> list[tuple[str, str]]:
    """The first line of each section, and its heading."""
    return [
        (parsed.text[section.start :].split("\n")[0].strip(), section.heading)
        for section in sections(parsed.blocks)
    ]
