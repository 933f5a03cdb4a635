import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag import build
from rag.answering.forms import FormClassifier
from rag.engine import Engine
from rag.errors import InputError, StoreError
from rag.filters import parse
from rag.ingestion.pipeline import index
from rag.protocols import Vectors
from rag.query import Query
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document
from tests.small_index import add, new_store

TEXTS = {
    "deal": "The deal was signed in Vienna. The US left the deal in 2018.",
    "oman": "Oman hosted the secret talks. The talks were led by William Burns.",
}


@pytest.fixture
def empty_engine(tmp_path: Path) -> Engine:
    settings = Settings(index=tmp_path, threshold=0.0)
    return build.assemble(
        settings, new_store(tmp_path), BagOfWordsEmbedder(), NameReader(), SpanJudge()
    )


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    add(empty_engine.store, *(document(text, key, key, topic=key) for key, text in TEXTS.items()))
    return empty_engine


def test_the_answer_is_in_the_document(engine: Engine) -> None:
    answer = engine.ask("When did the US leave the deal?")
    assert answer.text == engine.ask(f"  {answer.question}\n").text == "2018"
    (citation,) = answer.citations
    cited_document = engine.store.document(citation.document_id)
    assert cited_document is not None
    assert cited_document.text[citation.start : citation.end] == "2018"
    assert citation.sentence == "The US left the deal in 2018."
    assert set(answer.timings) == {"retrieve", "read", "compose"}


@pytest.mark.parametrize("question", ["", "  \n", "x" * 1001, "bad \ud800 surrogate"])
def test_invalid_questions_are_errors(engine: Engine, question: str) -> None:
    with pytest.raises(InputError) as error:
        engine.ask(question)
    assert error.value.hint


def test_an_empty_index_says_what_to_run(empty_engine: Engine) -> None:
    with pytest.raises(StoreError, match="rag ingest"):
        empty_engine.ask("When?")


def test_batches_equal_single_questions(engine: Engine) -> None:
    queries = [
        Query("When did the US leave the deal?"),
        Query("Who led the talks?", 1),
        Query("Who led the talks?", filter=parse(["topic=oman"])),
        Query("Who led the talks?", 1),
    ]
    batched = engine.ask_many(queries)
    for query, answer in zip(queries, batched, strict=True):
        single = engine.ask(query.question, query.k, query.filter)
        for name in ("text", "citations", "hits"):
            assert getattr(answer, name) == getattr(single, name)
    assert len(batched[1].hits) == 1
    assert engine.ask_many([]) == []


class CountingEmbedder(BagOfWordsEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.embedded: list[str] = []

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return super().embed_queries(texts)


def test_each_question_is_embedded_once(tmp_path: Path) -> None:
    """Also for the form, and again in a follow-up with preferred documents."""
    settings, embedder = Settings(index=tmp_path, threshold=0.0), CountingEmbedder()
    assembled = build.assemble(settings, new_store(tmp_path), embedder, NameReader(), SpanJudge())
    assembled.forms = FormClassifier.load()
    add(assembled.store, *(document(text, key, key) for key, text in TEXTS.items()))
    questions = ["Who led the talks?", "When did the US leave the deal?"]
    assembled.ask_many([Query(questions[0]), Query(questions[1], k=1, preferred=("oman",))])
    assert embedder.embedded == questions


def test_a_follow_up_without_a_sure_answer_is_asked_in_its_other_meanings(engine: Engine) -> None:
    engine.settings = replace(engine.settings, threshold=0.5)
    led = "Who led the secret talks in Oman?"
    assert engine.ask("zebra").text is None
    assert engine.ask("zebra", others=[("giraffe", 0.9)]).question == "zebra"
    answer = engine.ask("zebra", others=[("giraffe", 0.9), (led, 0.9)])
    assert (answer.question, answer.text) == (led, "William Burns")
    assert answer.receipt
    assert answer.receipt.question == led
    assert engine.ask("zebra", others=[(led, 0.1)]).text is None
    past = time.monotonic() - 1
    assert engine.ask("zebra", others=[(led, 0.9)], deadline=past).text is None
    question = "When did the US leave the deal?"
    assert engine.ask(question, others=[(led, 0.9)]).question == question


def test_after_a_deadline_the_answer_uses_the_passages_read(engine: Engine) -> None:
    after_deadline = engine.ask("Who led the talks?", deadline=time.monotonic() - 1)
    assert (after_deadline.passages_read, len(after_deadline.hits), after_deadline.truncated) == (
        1,
        2,
        True,
    )
    assert after_deadline.hits_read[0].passage.document_id == "oman"
    assert after_deadline.text == "William Burns"
    assert after_deadline.receipt is not None
    assert set(after_deadline.receipt.documents) == {"oman"}
    replayed = engine.ask(after_deadline.receipt.question, after_deadline.receipt.read)
    assert replayed.receipt is not None
    assert replayed.receipt.answer == after_deadline.receipt.answer
    in_time = engine.ask("Who led the talks?", deadline=time.monotonic() + 60)
    assert (in_time.passages_read, in_time.truncated) == (2, False)


def test_an_answer_comes_from_one_generation_while_the_index_changes(engine: Engine) -> None:
    """A writer counts up in two documents in turn, so their numbers never differ by more
    than one.
    """
    embedder = BagOfWordsEmbedder()
    stop = threading.Event()

    def count_up() -> None:
        for number in range(1000, 9999):
            for name in TEXTS:
                version = document(f"The US left the deal in {number}.", name)
                index([version], engine.store, embedder)
                if stop.wait(0.003):
                    return

    writer = threading.Thread(target=count_up)
    writer.start()
    numbers_seen: set[int] = set()
    until = time.monotonic() + 20
    try:
        while len(numbers_seen) < 5 and time.monotonic() < until:
            hits = engine.ask("When did the US leave the deal?").hits
            texts = [hit.passage.text for hit in hits if "deal in 1" in hit.passage.text]
            numbers = [int(text[-5:-1]) for text in texts]
            assert max(numbers, default=0) - min(numbers, default=0) <= 1
            numbers_seen |= set(numbers)
    finally:
        stop.set()
        writer.join()
    assert len(numbers_seen) >= 5


def test_a_filter_without_matches_is_reported(engine: Engine) -> None:
    answer = engine.ask("When did the US leave the deal?", filter=parse(["topic=none"]))
    assert (answer.text, answer.abstention_reason) == (None, "no document matches topic=none")
