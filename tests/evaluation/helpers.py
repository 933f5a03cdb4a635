"""A small corpus with questions, and engines over it, intact or broken in one place."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rag import build
from rag.engine import Engine
from rag.evaluation.evaluator import Evaluator, with_all_candidates
from rag.evaluation.gold import Evidence, Question
from rag.evaluation.records import Row
from rag.ingestion.chunking import split_document
from rag.ingestion.pipeline import embed, put
from rag.protocols import Reader, ReaderOutput, Store
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Document, Hit, Passage, Span
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document

FACTS = {
    "bridge": ("The bridge over the river was opened in 1937.",
               "When was the bridge over the river opened?", "1937"),
    "mill": ("A flood destroyed the old mill in 1911.",
             "When did a flood destroy the old mill?", "1911"),
    "school": ("The village school teaches 240 pupils.",
               "How many pupils does the village school teach?", "240"),
    "mayor": ("Maria Lindqvist was elected mayor of the town.",
              "Who was elected mayor of the town?", "Maria Lindqvist"),
    "tower": ("The tower rises 64 metres above the market.",
              "How many metres does the tower rise above the market?", "64"),
    "train": ("The night train leaves from platform 14.",
              "From which platform does the night train leave?", "14"),
    "lake": ("Swimmers cross the lake, which is 900 metres wide.",
             "How wide is the lake that swimmers cross?", "900"),
    "library": ("Visitors borrowed 81,000 books from the library.",
                "How many books did visitors borrow?", "81,000"),
}  # fmt: skip
QUESTIONS = [
    Question(
        name, question, (answer,), (Evidence(f"docs/{name}", sentence),),
        {f"docs/{name}": 1}, f"docs/{name}",
    )
    for name, (sentence, question, answer) in FACTS.items()
]  # fmt: skip
UNANSWERABLE = Question("none", "Which colour has the roof of the palace?", group="none")
Cut = Callable[[Document], Sequence[Passage]]


def one_passage(document: Document) -> Sequence[Passage]:
    return split_document(document, BagOfWordsEmbedder().count_tokens, 160)


def corpus() -> list[Document]:
    return [document(sentence, f"docs/{name}", name) for name, (sentence, _, _) in FACTS.items()]


def store(
    folder: Path,
    cut: Cut = one_passage,
    kind: type[LocalStore] = LocalStore,
    documents: Sequence[Document] = (),
) -> LocalStore:
    embedder = BagOfWordsEmbedder(dim=1024)
    manifest = {"embedder": embedder.name, "dim": "1024", "passage_tokens": "160"}
    opened = kind(folder, manifest, create=True)
    put(opened, embed(embedder, [(d, list(cut(d))) for d in documents or corpus()]))
    return opened


def engine(opened: Store, reader: Reader | None = None, **settings: Any) -> Engine:
    return build.assemble(
        Settings(**{"threshold": 0.0, "top_k": 2, **settings}),
        opened,
        BagOfWordsEmbedder(dim=1024),
        reader or NameReader(),
        SpanJudge(),
    )


def examine(engine: Engine, questions: Sequence[Question] = QUESTIONS) -> list[Row]:
    examiner = Evaluator(with_all_candidates(engine))
    return [examiner.examine(question) for question in questions]


class Spans:
    """A reader that returns the (start, end, score) that `choose` picks from a hit."""

    name = "spans"

    def __init__(self, choose: Callable[[Hit], list[tuple[int, int, float]]]) -> None:
        self._choose = choose

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        spans = [
            Span(hit, start, end, score) for hit in hits for start, end, score in self._choose(hit)
        ]
        return ReaderOutput(sorted(spans, key=lambda span: -span.score))

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [self.read(question, hits) for question, hits in questions]
