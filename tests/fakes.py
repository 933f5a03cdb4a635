"""Small real parts without models, for tests that determine the winning passage and the answer."""

import hashlib
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rag import build
from rag.answering.candidate import Candidate
from rag.answering.forms import ShelfClassifier, inputs
from rag.answering.judge import Logistic
from rag.answering.reading import Reading
from rag.desk import cell_judge
from rag.desk.cell_judge import CellJudge
from rag.desk.shelf import WholeShelf
from rag.meaning.sentences import split_sentences
from rag.parsing.base import join
from rag.parsing.plain_text import blocks_of
from rag.parsing.tables import table_part
from rag.protocols import ReaderOutput, Vectors
from rag.structure import with_sentences
from rag.types import Block, Document, Hit, Span

_WORD = re.compile(r"\w+")
_NAMES_AND_NUMBERS = re.compile(r"\d[\w.,%]*\w|\d|[A-Z]\w+(?: [A-Z]\w+)*")
DEAL = (
    "# The deal\n\nThe deal was signed in Vienna in 2015.\n\n## The exit\n\nThe US left the "
    "deal in 2018.\n"
)
OMAN = "Oman, the mediator\nDate: 2025-11-24\n\nOman hosted the secret talks in Muscat.\n"


def write_documents(folder: Path) -> None:
    """Write docs/deal.md and docs/oman.txt."""
    (folder / "docs").mkdir()
    (folder / "docs/deal.md").write_text(DEAL)
    (folder / "docs/oman.txt").write_text(OMAN)


class BagOfWordsEmbedder:
    """Counts words in `dim` buckets by checksum: texts with the same words have the same vector."""

    def __init__(self, name: str = "bag-of-words", dim: int = 64) -> None:
        self.name = name
        self.dim = dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                row[zlib.crc32(word.encode()) % self.dim] += 1
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]


class NameReader:
    """Answers with names and numbers that are not in the question, from the sentences that share
    most of its words.
    """

    name = "names"

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        spans = [span for hit in hits for span in self._spans(question, hit)]
        return ReaderOutput(sorted(spans, key=lambda span: -span.score))

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [self.read(question, hits) for question, hits in questions]

    def _spans(self, question: str, hit: Hit) -> list[Span]:
        question_words = set(_WORD.findall(question.lower()))
        text = hit.passage.text
        spans = []
        for start, end in split_sentences(text):
            shared = len(question_words & set(_WORD.findall(text[start:end].lower())))
            for match in _NAMES_AND_NUMBERS.finditer(text, start, end):
                if not question_words & set(_WORD.findall(match.group().lower())):
                    spans.append(Span(hit, match.start(), match.end(), 3.0 * shared - 6.0))
        return spans


def groups(text: str, *starts: tuple[int, str]) -> tuple[Block, ...]:
    """A block from each start to the next, with a name."""
    ends = [*(start for start, _ in starts), len(text)][1:]
    pairs = zip(starts, ends, strict=True)
    return tuple(Block("group", start, end, name=name) for (start, name), end in pairs)


def document(text: str, id: str = "docs/a.txt", title: str = "A", **metadata: str) -> Document:
    """A document of plain text."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    blocks = with_sentences(text, blocks_of(text))
    return Document(id, text, title, f"/{id}", digest, metadata, blocks)


def table(rows: list[list[str]], id: str = "docs/a.txt") -> Document:
    """A document that is a table with a header row."""
    text, blocks = join([table_part(rows, headed=True)])
    return replace(document(text, id), blocks=with_sentences(text, blocks))


class SpanJudge:
    """A group of spans is as likely as the sum of its odds says; a date or an amount that is asked
    for is likelier by 1e-12, so that it wins a tie. Nothing else serves.
    """

    threshold = 0.36
    digest = ""

    def probabilities(self, candidates: Sequence[Candidate], reading: Reading) -> list[float]:
        return [
            _likely(candidate.span.spans) + 1e-12 * candidate.span.best.typed
            if candidate.span
            else 0.01
            for candidate in candidates
        ]


SAME = CellJudge(Logistic({"log_odds": 1.0}, bias=0.0), 0.36, 0.3, undecided=(0.3, 0.36))
"""Says of a cell what the judge of answers says."""


def _likely(spans: Sequence[Span]) -> float:
    odds = math.log(sum(math.exp(span.score) for span in spans))
    return 1 / (1 + math.exp(-odds if odds < 0 else -0.2 * odds - 0.02))


def fake_models(put: Callable[[object, str, object], None] = setattr) -> None:
    """Have `rag.build` give these models; `put` may be a monkeypatch's."""
    put(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    put(build, "reader", lambda settings: NameReader())
    put(build, "judge", lambda settings: SpanJudge())
    put(cell_judge, "shipped", lambda: SAME)


def whole_shelf(settings: object = None) -> WholeShelf:
    """Takes every question for one over the shelf, so that only its words decide; in place of
    `rag.build.shelf`.
    """
    columns = inputs(["x"], np.zeros((1, 64), dtype=np.float32)).shape[1]
    return WholeShelf(ShelfClassifier(np.zeros(columns, dtype=np.float32), 5.0))
