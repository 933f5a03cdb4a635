"""Checks the indexing of HTML pages: lost sentences, duplicate passages, and random passages to
inspect for furniture.

python -m eval.bench.whole FOLDER [--files N] [--draw N] [--seed N]

A page's sentences are those of its visible text, by Python's HTML parser. A sentence that is
missing in the indexed text, but occurs on `_RECURS` pages or more, counts as furniture, not as
lost. Passages are cut by words, so that no model is needed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import click

from rag.ingestion.chunking import split
from rag.ingestion.repeated_blocks import without_recurring
from rag.parsing.files import FoundFile, find
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseTask, one_by_one
from rag.retrieval import same_text
from rag.types import Document, Passage

_RECURS = 8
_FEWEST = 6
"""Number of words in a sentence to look for."""
_PIECES = 1.25
"""Approximate number of word-pieces per word."""
_WORD = re.compile(r"\w+")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n\s*\n")
_HIDDEN = {"script", "style", "head", "template", "noscript"}
_INLINE = {"a", "b", "i", "em", "strong", "code", "tt", "span", "sup", "sub", "var", "abbr", "kbd"}


class _Visible(HTMLParser):
    """The text of a page; each element that is not inline ends a paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in _HIDDEN
        self.parts += [] if tag in _INLINE else ["\n\n"]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        self.parts += [] if tag in _INLINE else ["\n\n"]

    def handle_data(self, data: str) -> None:
        self.parts += [] if self._hidden else [data]


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def sentences(page: str) -> Iterator[str]:
    visible = _Visible()
    visible.feed(page)
    for sentence in _END.split("".join(visible.parts)):
        if (words := _words(sentence)).count(" ") >= _FEWEST - 1:
            yield words


def count_tokens(texts: Sequence[str]) -> list[int]:
    return [round(_PIECES * len(_WORD.findall(text))) for text in texts]


def documents(files: Sequence[FoundFile]) -> Iterator[Document]:
    tasks = (ParseTask(found, {}) for found in files)
    for _, loaded in without_recurring(one_by_one(tasks), {}):
        if isinstance(loaded, Loaded):
            yield from loaded.documents


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--files", default=300)
@click.option("--draw", default=0, help="Number of passages to print.")
@click.option("--seed", default=0)
def main(folder: Path, files: int, draw: int, seed: int) -> None:
    """Print lost sentences, duplicates, and passages to inspect."""
    pages = [f for f in find([folder]) if f.path.suffix in (".html", ".htm")]
    drawn = set(random.Random(seed).sample(range(len(pages)), min(files, len(pages))))
    chosen = [found for number, found in enumerate(pages) if number in drawn]
    missing, total, passages = Counter[str](), 0, list[Passage]()
    for document in documents(chosen):
        page = Path(document.source).read_text(encoding="utf-8", errors="replace")
        kept, found = f" {_words(document.text)} ", set(sentences(page))
        total += len(found)
        missing.update(sentence for sentence in found if f" {sentence} " not in kept)
        passages += split(document, count_tokens)
    lost = [sentence for sentence, count in missing.items() if count < _RECURS]
    furniture = sum(count for count in missing.values() if count >= _RECURS)
    groups = Counter(map(same_text, passages))
    texts = Counter(p.text for p in passages)
    click.echo(
        f"{len(chosen)} files, {total} sentences: {furniture} furniture, {len(lost)} lost "
        f"({len(lost) / (total - furniture):.2%}); {len(passages)} passages, "
        f"{len(passages) - len(texts)} copies, of which {len(groups) - len(texts)} are read as "
        f"passages of their own"
    )
    for sentence in lost[:draw]:
        click.echo(f"LOST {sentence[:200]}")
    for passage in random.Random(seed).sample(passages, min(draw, len(passages))):
        click.echo(f"--- {passage.document_id} | {passage.context}\n{passage.text}")


if __name__ == "__main__":
    main()
