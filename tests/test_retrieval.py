from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rag import build
from rag.evaluation.corpus import fill
from rag.filters import Condition
from rag.query import Query
from rag.retrieval import NamedDocuments, Retriever, fold
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Document, Hit, Passage
from tests.fakes import BagOfWordsEmbedder, document
from tests.small_index import add, new_store

TEXTS = {
    "oman": "Oman hosted the secret talks in Muscat.",
    "deal": "The deal was signed in Vienna in July 2015.",
    "left": "The United States left the deal in May 2018.",
    "fish": "Sardines swim off the coast.",
}
SHORT = "The default is three."
LONG = "The lease runs for two years and can be ended with three months' notice. " * 4


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = new_store(tmp_path)
    documents = [
        document(text, key, key, topic="sea" if key == "fish" else "talks")
        for key, text in TEXTS.items()
    ]
    add(store, *documents)
    return store


def found(store: LocalStore, question: str, k: int = 3, **filter: str) -> list[str]:
    conditions = tuple(Condition(key, "=", value) for key, value in filter.items())
    hits = Retriever(Settings(), store, BagOfWordsEmbedder()).search(question, k, conditions)
    return [hit.passage.document_id for hit in hits]


def hits_of(store: LocalStore, question: str, k: int, candidates: int = 50) -> list[Hit]:
    retriever = Retriever(Settings(), store, BagOfWordsEmbedder())
    retriever.candidates = candidates
    return retriever.search(question, k)


def test_the_passage_that_shares_the_words_comes_first(store: LocalStore) -> None:
    questions = ["where was the deal signed", "sardines", "who hosted talks in Muscat"]
    queries = [Query(question, 1) for question in questions]
    answers = Retriever(Settings(), store, BagOfWordsEmbedder()).find_many(queries)
    assert [answer.hits[0].passage.document_id for answer in answers] == ["deal", "fish", "oman"]


def test_scores_descend_and_are_in_range(store: LocalStore) -> None:
    hits = hits_of(store, "the deal of the United States", 4)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= hit.score <= 1 and -1 <= hit.dense <= 1.0001 for hit in hits)
    assert all(hit.lexical >= 0 for hit in hits)


def test_a_hit_has_its_rank_in_each_retriever(store: LocalStore) -> None:
    hits = hits_of(store, "sardines off the coast", 3, candidates=3)
    (vector,) = BagOfWordsEmbedder().embed_queries(["sardines off the coast"])
    by_dense = [store.passages([i])[i] for i, _ in store.dense(vector, 3)]
    by_lexical = [store.passages([i])[i] for i, _ in store.lexical("sardines off the coast", 3)]
    assert hits[0].passage.document_id == "fish"
    assert (hits[0].dense_rank, hits[0].lexical_rank) == (1, 1)
    for hit in hits:
        for rank, passages in ((hit.dense_rank, by_dense), (hit.lexical_rank, by_lexical)):
            found_at = passages.index(hit.passage) + 1 if hit.passage in passages else None
            assert rank == found_at
    assert any(hit.lexical_rank is None for hit in hits)


def test_a_filter_applies_to_both_retrievers(store: LocalStore) -> None:
    assert found(store, "the deal", topic="sea") == ["fish"]
    assert found(store, "the deal", document="left") == ["left"]
    assert found(store, "the deal", topic="none") == []


def test_a_deleted_document_is_not_found(store: LocalStore) -> None:
    store.delete("deal")
    assert "deal" not in found(store, "where was the deal signed", 4)


def test_a_text_in_several_documents_is_one_hit_and_one_candidate(store: LocalStore) -> None:
    copies = [document(TEXTS["oman"], f"copy-{n}", f"copy-{n}") for n in range(5)]
    add(store, *copies)
    question = "who hosted the secret talks in Muscat"
    hits, of_three = (hits_of(store, question, 3, candidates) for candidates in (50, 3))
    assert len({hit.passage.text for hit in of_three}) == 3
    assert [hit.passage.text for hit in hits].count(TEXTS["oman"]) == 1
    assert len({hit.passage.text for hit in hits}) == 3
    places = {hits[0].passage.document_id, *(copy.document_id for copy in hits[0].copies)}
    assert places == {"oman", *(d.id for d in copies)}


def test_a_document_that_the_question_names_comes_first(store: LocalStore) -> None:
    text = "Net sales of services were {} million dollars in the quarter."
    days = ((year, quarter) for year in range(2010, 2024) for quarter in (1, 2, 3))
    reports = [
        document(text.format(n), f"reports/{year} Q{quarter} ACME.pdf", "Form 10-Q")
        for n, (year, quarter) in enumerate(days)
    ]
    add(store, *reports)
    for quarter_words in ("in Q2 2017", "in the second quarter of 2017"):
        hit, *_ = found(store, f"What were the net sales of services {quarter_words}?")
        assert hit == "reports/2017 Q2 ACME.pdf"


def test_a_report_of_the_named_day_comes_first(store: LocalStore) -> None:
    text = (
        "Report for the quarter ended July 1, {}. In the quarter ended July 1, {} net sales of "
        "services were {} million."
    )
    reports = [
        document(text.format(year, year - 1, year), f"{year}", "Report")
        for year in range(2001, 2020)
    ]
    add(store, *reports)
    hits = found(store, "What were the net sales of services in the quarter ended 1 July 2010?", 4)
    assert "2010" in hits[:2]


@pytest.mark.parametrize(
    "day_words", ["on 24 July 2024", "on 24 july", "on 2024-07-24", "on 24.7.2024", "on July 24th"]
)
@pytest.mark.parametrize("stated", ["metadata", "title", "line", "heading"])
def test_what_is_of_the_named_day_comes_first(tmp_path: Path, day_words: str, stated: str) -> None:
    """The day is stated in different places; the text of each meeting has the same words."""
    store = new_store(tmp_path)
    add(store, *(_minutes(day, stated) for day in (3, 10, 17, 24, 31)))
    best_hit, next_hit, *_ = hits_of(store, f"What was discussed by the committee {day_words}?", 5)
    assert best_hit.passage.document_id == "24"
    assert best_hit.score > 2 * next_hit.score


def _minutes(day: int, stated: str) -> Document:
    written, text = f"{day} July 2024", f"The committee discussed the wall of plot {day + 40}."
    return document(
        {"line": f"{written}\n\n{text}", "heading": f"{written}\n=====\n\n{text}"}.get(
            stated, text
        ),
        id=str(day),
        title=f"Minutes, {written}" if stated == "title" else "Minutes",
        **({"date": f"2024-07-{day:02}"} if stated == "metadata" else {}),
    )


def test_a_day_of_many_documents_names_none_of_them(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    add(store, *(document("Text.", f"RFC 9{n:03}.txt", date="2024-07-24") for n in range(20)))
    retriever = Retriever(Settings(), store, BagOfWordsEmbedder())
    named_documents = retriever.named("What did RFC 9007 say on 24 July 2024?", None)
    assert named_documents.ids == ["RFC 9007.txt"]
    assert not retriever.named("What was said on 24 July 2024?", None).ids


def test_sections_of_other_days_are_not_of_the_named_one() -> None:
    log = NamedDocuments(by_day={"log": "section"}, days={"2024-05-03": "3 May 2024"})
    passage = Passage("log", 0, 5, "Fence", "Log", ("Log", "8 March 2024"))
    assert not log.is_of_day(passage)
    assert log.is_of_day(replace(passage, headings=("Log", "3 May")))
    assert not log.is_of_day(replace(passage, headings=("Log",)))


def test_a_document_whose_number_the_question_names_comes_first(store: LocalStore) -> None:
    text = (
        "Registration: N{}ED. It was seen beside N112ED.\n\n"
        "The engines of the aircraft were made by maker {}."
    )
    reports = [
        document(text.format(n, n), f"report {n}", f"Report on engines made {n}")
        for n in range(100, 130)
    ]
    add(store, *reports, tokens=12)
    question = "Who made the engines of N112ED?"
    assert "report 112" in found(store, question, 4)[:2]


@pytest.mark.slow
def test_other_documents_come_after_all_that_is_near_in_a_named_one(tmp_path: Path) -> None:
    """With the shipped embedder, since the fusion is fitted to its cosines."""
    text = (
        "Registration: N{}ED. It landed without its wheels.\n\n"
        "The airframe is of the year {}.\n\n"
        "The engines were made by maker {}."
    )
    reports = [
        document(text.format(n, 1800 + n, n), f"report {n}", f"Report {n}") for n in range(100, 130)
    ]
    settings = Settings.load(index=tmp_path)
    embedder = build.embedder(settings)
    with closing(build.store(settings, embedder, create=True)) as store:
        fill(reports, store, embedder, 16)
        hits = Retriever(settings, store, embedder).search("Who made the engines of N112ED?", 8)
    assert [hit.passage.document_id for hit in hits[:3]] == ["report 112"] * 3
    assert len({hit.passage.document_id for hit in hits}) > 1


def passage(text: str, document: str, *headings: str) -> Passage:
    return Passage(document, 0, len(text), text, document, headings)


@pytest.mark.parametrize(
    ("passages", "ranked", "groups"),
    [
        (
            [passage("one", "a"), passage("two", "a"), passage("one", "b"), passage("one", "c")],
            [2, 1, 0, 3],
            [[2, 0, 3], [1]],
        ),
        ([passage(SHORT, "a", "--depth"), passage(SHORT, "a", "--width")], [0, 1], [[0], [1]]),
        ([passage(LONG, "a", "Terms"), passage(LONG, "b", "Annex")], [0, 1], [[0, 1]]),
    ],
    ids=["equal texts at the best rank", "short under other headings", "long under any heading"],
)
def test_copies_are_one_group(
    passages: list[Passage], ranked: list[int], groups: list[list[int]]
) -> None:
    assert fold(ranked, passages) == groups
