"""Checks that every store makes: of its settings, and of a document before it accepts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rag.errors import InputError, StoreError
from rag.types import Block, Document, Passage


def check(document: Document, passages: Sequence[Passage]) -> None:
    """Raises InputError for passages that could not be cited."""
    if not all(_is_citable(p, document.text) for p in passages):
        raise InputError(
            f"passages of {document.id} do not match its text", "split the document again"
        )
    _check_characters(document, passages)


def check_settings(
    place: str, stored: Mapping[str, str], expected: Mapping[str, str], remedy: str
) -> None:
    """Raises StoreError, which names the `place`, if the index was made with other settings.
    `remedy` is what to do if the new ones are right.
    """
    for name, value in expected.items():
        if value != (made_with := stored.get(name)):
            message = f"{place} was made with {name} = {made_with}, the settings say {value}"
            raise StoreError(message, f"set RAG_{name.upper()}={made_with}, or {remedy}")


def _is_citable(passage: Passage, text: str) -> bool:
    return 0 <= passage.start == passage.end - len(passage.text) and text.startswith(
        passage.text, passage.start
    )


def _names(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield block.name
        yield from (column.name for column in block.columns)


def _check_characters(document: Document, passages: Sequence[Passage]) -> None:
    """Reject lone surrogates, as in broken JSON and names of files that are not UTF-8."""
    names = [document.id, document.title, document.source, document.sha256]
    names += [name for pair in document.metadata.items() for name in pair]
    names += [*_names(document.blocks), *(passage.heading for passage in passages)]
    place = "in its text"
    try:
        document.text.encode()
        place = "in its names"
        "\n".join(names).encode()
    except UnicodeEncodeError as error:
        where = f"{place} at character {error.start}" if place == "in its text" else place
        message = f"{document.id!r} contains a lone surrogate {where}"
        raise InputError(message, "replace it; it is not a valid character") from error
