"""In pipelines broken on purpose, misses are attributed to the broken part only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.evaluation.error_analysis import Attempt, attribute_error
from rag.evaluation.gold import Evidence
from rag.evaluation.records import Row
from rag.fusion import CLIPPED, FEATURES, Fusion, Networks
from rag.protocols import Filter, Vectors
from rag.store.local.store import LocalStore
from rag.types import Answer, Document, Hit, Passage
from tests.evaluation.helpers import (
    FACTS,
    QUESTIONS,
    UNANSWERABLE,
    Cut,
    Spans,
    engine,
    examine,
    one_passage,
    store,
)


def stages(rows: Sequence[Row]) -> dict[str | None, int]:
    return dict(Counter(row.stage for row in rows))


def test_a_whole_pipeline_loses_nothing(tmp_path: Path) -> None:
    for row in examine(engine(store(tmp_path))):
        assert row.stage is None
        assert row.rank == row.dense_rank == row.em == 1
        assert row.right
        assert row.cited_document
        assert row.cited_right == row.cited_evidence == row.evidence == 1
        assert row.sound == row.checked > 0


def test_evidence_that_a_text_file_wraps_is_found(tmp_path: Path) -> None:
    wrapped = []
    for question in QUESTIONS:
        (proof,) = question.evidence
        words = proof.sentence.split()
        sentence = "\n   ".join((" ".join(words[:4]), " ".join(words[4:])))
        wrapped.append(replace(question, evidence=(replace(proof, sentence=sentence),)))
    rows = examine(engine(store(tmp_path)), wrapped)
    assert stages(rows) == {None: len(FACTS)}
    assert all(row.rank == 1 and row.cited_right == 1 for row in rows)


def by_meaning() -> Fusion:
    """A fusion that orders by cosine alone."""
    weights = np.zeros((1, 1, len(FEATURES)), dtype=np.float32)
    weights[0, 0, FEATURES.index("dense")] = 1
    unit_weight, zero = np.ones((1, 1, 1), dtype=np.float32), np.zeros((1, 1), dtype=np.float32)
    networks = Networks(
        mean=np.zeros(len(FEATURES), dtype=np.float32),
        deviation=np.ones(len(FEATURES), dtype=np.float32),
        first=weights,
        first_bias=zero + CLIPPED,  # so that no score is cut off
        second=unit_weight,
        second_bias=zero,
        last=unit_weight,
        last_bias=zero,
    )
    return Fusion(networks)


class Shuffled(LocalStore):
    """FAISS returns the ids of other rows, as if a deletion had renumbered them."""

    def dense(
        self, vector: Vectors, k: int, filter: Filter | None = None
    ) -> list[tuple[int, float]]:
        ids = sorted(i for i, _ in super().dense(vector, len(FACTS)))
        shuffled = {i: ids[(place + 3) % len(ids)] for place, i in enumerate(ids)}
        return [(shuffled[i], score) for i, score in super().dense(vector, k, filter)]


def test_shuffled_faiss_ids_are_the_dense_retrievers_fault(tmp_path: Path) -> None:
    shuffled_engine = engine(store(tmp_path, kind=Shuffled), top_k=1)
    shuffled_engine.retriever.fusion = by_meaning()
    rows = examine(shuffled_engine)
    assert stages(rows) == {"dense": len(FACTS)}
    assert all(row.lexical_rank == 1 and (row.dense_rank or 0) > 1 for row in rows)
    without_evidence = [replace(question, evidence=(), relevant={}) for question in QUESTIONS]
    assert stages(examine(shuffled_engine, without_evidence)) == {"dense": len(FACTS)}


def dropping(document: Document) -> Sequence[Passage]:
    """A chunker that drops the first sentence."""
    return [replace(p, start=p.start + 5, text=p.text[5:]) for p in one_passage(document)]


def halving(document: Document) -> Sequence[Passage]:
    (p,) = one_passage(document)
    head, tail = replace(p, end=p.start + 20, text=p.text[:20]), p.text[20:]
    return [head, replace(p, start=p.start + 20, text=tail)]


def without_the_fact(document: Document) -> Sequence[Passage]:
    return [Passage(document.id, 0, 21, document.text[:21], document.title, ())]


LATER = [
    Document(f"docs/{name}", "Nothing is said here. " * 3 + sentence, name, "", "")
    for name, (sentence, _, _) in FACTS.items()
]


@pytest.mark.parametrize(
    ("chunker", "documents", "detail"),
    [
        (dropping, (), "1 passages contain a part of it"),
        (halving, (), "2 passages contain a part of it"),
        (without_the_fact, LATER, "no passage contains any of it"),
    ],
)
def test_a_chunker_that_divides_or_drops_a_sentence_is_at_fault(
    tmp_path: Path, chunker: Cut, documents: Sequence[Document], detail: str
) -> None:
    opened = store(tmp_path, chunker, documents=documents)
    rows = examine(engine(opened, Spans(lambda hit: [(0, 3, 1.0)])))
    assert stages(rows) == {"chunking": len(FACTS)}
    assert all(row.detail == detail for row in rows)


def test_wrong_or_missing_words_are_the_readers_fault(tmp_path: Path) -> None:
    opened = store(tmp_path)
    rows = examine(engine(opened, Spans(lambda hit: [])))
    assert stages(rows) == {"reader": len(FACTS)}
    rows = examine(engine(opened, Spans(lambda hit: [(0, hit.passage.text.index(" "), 1.0)])))
    # "Maria" is half of the answer, which is enough
    lost = [row for row in rows if row.question != "Who was elected mayor of the town?"]
    assert stages(lost) == {"reader": len(FACTS) - 1}
    assert all(row.sentence and row.document == row.group for row in lost)


def test_a_reader_that_prefers_the_wrong_passage_has_its_own_stage(tmp_path: Path) -> None:
    answers = {f"docs/{name}": answer for name, (_, _, answer) in FACTS.items()}

    def choose(hit: Hit) -> list[tuple[int, int, float]]:
        """Picks the right words in every passage, with the highest score in the second best."""
        answer = answers[hit.passage.document_id]
        start = hit.passage.text.index(answer)
        return [(start, start + len(answer), 90.0 if (hit.dense_rank or 9) > 1 else 0.0)]

    rows = examine(engine(store(tmp_path), Spans(choose)))
    assert stages(rows) == {"passage": len(FACTS)}
    assert all("beat" in row.detail for row in rows)


def test_a_threshold_of_one_is_the_thresholds_fault(tmp_path: Path) -> None:
    without_evidence = [replace(question, evidence=(), relevant={}) for question in QUESTIONS]
    for questions in (QUESTIONS, without_evidence):
        rows = examine(engine(store(tmp_path), threshold=1.0), questions)
        assert stages(rows) == {"threshold": len(FACTS)}
        assert all(row.text is None and row.right and row.f1 == 0 for row in rows)


def test_missing_documents_are_reported(tmp_path: Path) -> None:
    opened = store(tmp_path)
    opened.delete("docs/bridge")
    (row,) = examine(engine(opened), QUESTIONS[:1])
    assert (row.stage, row.rank, row.document) == ("ingest", None, "docs/bridge")
    assert (row.evidence, row.cited_right) == (1, 0)
    nowhere = replace(QUESTIONS[1], answers=("a zeppelin",), evidence=(), relevant={})
    assert stages(examine(engine(opened), [nowhere])) == {"ingest": 1}


def test_answering_an_unanswerable_question_is_an_error(tmp_path: Path) -> None:
    opened = store(tmp_path)
    (answered,) = examine(engine(opened), [UNANSWERABLE])
    assert (answered.stage, answered.f1, answered.kind) == ("unsupported", 0, "unanswerable")
    (refused,) = examine(engine(opened, threshold=1.0), [UNANSWERABLE])
    assert (refused.stage, refused.f1, refused.text) == (None, 1, None)


@pytest.mark.parametrize(
    ("dense", "lexical", "stage"),
    [(1, 1, "fusion"), (3, 1, "dense"), (1, None, "lexical"), (3, 3, "legs"), (None, None, "legs")],
)
def test_unread_evidence_is_the_low_ranking_retrievers_fault(
    dense: int | None, lexical: int | None, stage: str
) -> None:
    passages = [Passage(f"docs/{n}", 0, 4, "text", "", ()) for n in range(3)]
    hits = [Hit(passage, 1 - n / 10, 0.5, 1.0, n + 1, n + 1) for n, passage in enumerate(passages)]
    hits[2] = replace(hits[2], dense_rank=dense, lexical_rank=lexical)
    hits = hits if dense else hits[:2]
    answer = Answer("why?", None, 0.0, (), (), tuple(hits[:2]), "nothing", {})
    evidence = [Evidence("docs/2", "text", 0)]
    attempt = Attempt(("text",), evidence, hits, 2, answer, lambda _: passages)
    lost_at, detail = attribute_error(attempt)
    assert lost_at == stage
    assert ("has rank 3 " if dense else "neither retriever has it") in detail
