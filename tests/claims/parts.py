"""A reader with a verdict head but without a model, and an index of a few documents."""

from collections.abc import Sequence
from pathlib import Path

from rag.answering.judge import Logistic
from rag.build import assemble
from rag.claims.differences import compare
from rag.claims.scorer import Scorer
from rag.engine import Engine
from rag.ingestion.chunking import split_document
from rag.protocols import ReaderOutput, Verdict
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Hit
from tests.fakes import BagOfWordsEmbedder, document

PLAIN = Scorer(Logistic({"yes": 1.0}, 0.0), Logistic({"no": 1.0}, 0.0), 0.5, 0.5)
MODELS = (PLAIN, PLAIN)
"""Models that return the reader's verdict unchanged."""
DEAL = (
    "The JCPOA was signed in Vienna on 14 July 2015. Federica Mogherini announced the agreement "
    "with the foreign minister of Iran."
)
LIMITS = (
    "Iran may enrich uranium to no more than 3.67 percent. The stockpile of uranium is capped at "
    "300 kilograms. Natanz keeps 5,060 centrifuges for ten years."
)
EXIT = (
    "The United States left the agreement on 8 May 2018. President Donald Trump announced the "
    "withdrawal from the White House."
)
TEXTS = {"deal.md": DEAL, "limits.md": LIMITS, "exit.md": EXIT}


class WordReader:
    """Says yes if a passage has nearly all words, values and names of the claim, no if one of them
    differs.
    """

    name = "words"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        self.asked.append(question)
        return ReaderOutput([], [], [self._verdict(question, hit) for hit in hits])

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [self.read(question, hits) for question, hits in questions]

    def _verdict(self, claim: str, hit: Hit) -> Verdict:
        comparison = compare(claim, hit.passage.text, hit.passage.context)
        if comparison.coverage < 0.6 or comparison.likeness < 0.5:
            return Verdict(hit, 0.02, 0.03, 0.95)
        if comparison.differs or comparison.missing or comparison.denied:
            return Verdict(hit, 0.05, 0.9, 0.05)
        return (
            Verdict(hit, 0.03, 0.02, 0.95) if comparison.unnamed else Verdict(hit, 0.95, 0.02, 0.03)
        )


def engine(folder: Path, texts: dict[str, str] = TEXTS, reader: WordReader | None = None) -> Engine:
    """An engine over these texts, by id."""
    embedder = BagOfWordsEmbedder(dim=256)
    expect = {"embedder": embedder.name, "passage_tokens": "60", "dim": "256"}
    store = LocalStore(folder, expect, create=True)
    for name, text in texts.items():
        source = document(text, name, name.removesuffix(".md"))
        passages = split_document(source, embedder.count_tokens, 60)
        store.put(
            source, passages, embedder.embed_passages([passage.in_context for passage in passages])
        )
    settings = Settings(index=folder, embedder=embedder.name, passage_tokens=60)
    return assemble(settings, store, embedder, reader or WordReader())
