"""Suggested questions are made from an index's sentences, asked, and answered from these."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rag import build
from rag.answering.subjects import subjects
from rag.answering.suggestions import SUGGESTED, Suggestion, Suggestions, answered, candidates
from rag.engine import Engine
from rag.settings import Settings
from rag.types import Answer, Citation
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge
from tests.parsing.reading import load_bytes
from tests.small_index import add, new_store

FILES = {
    "club.md": "# Club\n\n## Who leads the club in Bremen?\n\nAnn leads the club in Bremen.\n",
    "keys.md": "# Keys\n\n## How to get a new key\n\nAsk Bob for a key.\n",
    "lease.md": "# Lease\n\nIt was long. The lease ends on 31 March 2028.\n",
    "prices.csv": "Ticket,Price in euros\nDay ticket,12\nWeek ticket,40\n",
}
ASKED = (
    "Who leads the club in Bremen?",
    "How do I get a new key?",
    "When does the lease end?",
    "What is the price of Day ticket?",
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    settings, models = Settings(index=tmp_path, threshold=0.0), (NameReader(), SpanJudge())
    assembled = build.assemble(settings, new_store(tmp_path), BagOfWordsEmbedder(), *models)
    for name, text in FILES.items():
        add(assembled.store, *load_bytes(name, text))
    return assembled


def test_headings_sentences_and_tables_become_questions(engine: Engine) -> None:
    suggested = list(candidates(engine.store))
    assert tuple(suggestion.question for suggestion in suggested) == ASKED
    lease = engine.store.document("lease.md")
    assert lease is not None
    place = next(suggestion for suggestion in suggested if suggestion.document_id == "lease.md")
    assert lease.text[place.start : place.end] == "The lease ends on 31 March 2028."


def test_what_a_document_says_in_passing_comes_last(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    parts = (
        "# Guide\n\n{0}The boiler is checked every year.\n\n{1}The lift is checked every month.\n"
    )
    add(store, *load_bytes("guide.md", parts.format("## Contact\n\n", "## The lift\n\n")))
    lift, boiler = candidates(store)
    assert (lift.question, boiler.question) == (
        "How often is the lift checked?",
        "How often is the boiler checked?",
    )
    assert lift.rank < boiler.rank


def test_what_a_document_asks_its_reader_is_not_suggested(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    headings = ("Does your team use the form?", "How to notify us of a leak", "The appeals process")
    text = "\n\n".join(f"## {heading}\n\nSee below." for heading in headings)
    add(store, *load_bytes("forms.md", text))
    assert [suggestion.question for suggestion in candidates(store)] == [
        "What is the appeals process?"
    ]


def test_a_heading_that_asks_is_no_subject_of_its_own(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    headings = ("Which levels are usual?", "Can I bring guests?", "Why is uranium enriched?")
    text = "# Uranium\n\n" + "\n\n".join(f"## {heading}\n\nSee below." for heading in headings)
    add(store, *load_bytes("uranium.md", text))
    ranks = {suggestion.question: suggestion.rank for suggestion in candidates(store)}
    assert ranks["Which levels are usual?"] > ranks["Can I bring guests?"]
    assert ranks["Can I bring guests?"] == ranks["Why is uranium enriched?"] == 0


@pytest.mark.parametrize(
    ("table", "question"),
    [
        ("Country,Since,Population\nOman,1970,4 500 000\n", "What is the population of Oman?"),
        ("Item,Junior,Members\nEntrance fee (EUR),10,20\n", "How much is the entrance fee?"),
        ("Office,Name,Phone\nYouth officer,Bea Farrow,212\n", "Who is the youth officer?"),
        ("Room,People,State\nClub room,60,free\n", ""),
        ("State,Where,Since\nIran,Egypt,1979\n", ""),
    ],
)
def test_only_cells_that_a_person_asks_for_become_questions(
    tmp_path: Path, table: str, question: str
) -> None:
    store = new_store(tmp_path)
    add(store, *load_bytes("table.csv", table))
    assert [suggestion.question for suggestion in candidates(store)] == [question][: bool(question)]


def test_three_documents_in_many_are_asked_about(engine: Engine) -> None:
    for number in range(300):
        text = f"# Note {number}\n\nThe plan of ward {number} was long.\n"
        add(engine.store, *load_bytes(f"notes/{number}.md", text))
    for number in range(9):
        text = f"# Rules {number}\n\nThe fee was high. The hall opens at {number} am.\n"
        add(engine.store, *load_bytes(f"rules/{number}.md", text))
    names = {suggestion.document_id.partition("/")[0] for suggestion in candidates(engine.store)}
    assert "rules" in names


def place(document_id: str, start: int, end: int) -> Citation:
    return Citation(document_id, "", (), "", "", start, end, "", start, end, "")


def asker(confidence: float, found_in: Callable[[str], str]) -> Callable[[str], Answer]:
    def ask(question: str) -> Answer:
        cited = (place(found_in(question), 0, 10),)
        return Answer(question, "yes", confidence, cited, (), (), None, {})

    return ask


def suggestions_made(*questions: tuple[str, str]) -> list[Suggestion]:
    return [Suggestion(question, name, 5, 9) for question, name in questions]


def test_only_sure_answers_from_the_place_itself_count() -> None:
    suggestions = suggestions_made(("Who is it?", "a"), ("What is it?", "b"))
    assert list(answered(suggestions, asker(0.9, lambda _: "b"), 3)) == ["What is it?"]
    assert list(answered(suggestions, asker(0.5, lambda _: "b"), 3)) == []


def test_documents_and_beginnings_differ_where_they_can() -> None:
    suggestions = suggestions_made(
        ("Who is a?", "a"), ("Who is b?", "b"), ("When was a?", "a"), ("When is c?", "c")
    )
    ask = asker(0.9, lambda question: question[-2])
    assert list(answered(suggestions, ask, 2)) == ["Who is a?", "When is c?"]
    assert list(answered(suggestions, ask, 4)) == [
        "Who is a?",
        "When is c?",
        "Who is b?",
        "When was a?",
    ]


def test_questions_are_looked_for_once_for_each_state_of_the_index(engine: Engine) -> None:
    tried: list[str] = []

    def ask(question: str) -> Answer:
        tried.append(question)
        return engine.ask(question)

    suggestions = Suggestions()
    questions = suggestions.questions(engine.store, ask)
    assert 0 < len(questions) <= SUGGESTED
    count = len(tried)
    assert suggestions.questions(engine.store, ask) == questions
    assert len(tried) == count
    add(engine.store, *load_bytes("new.md", "# New\n\nThe new rent is £900.\n"))
    assert suggestions.known(engine.store.stats().generation) is None
    suggestions.questions(engine.store, ask)
    assert "How much is the new rent?" in tried


def test_subjects_are_shared_phrases_or_titles(engine: Engine) -> None:
    for number in range(8):
        add(engine.store, *load_bytes(f"a{number}.md", f"# Sick leave {number}\n\nSick leave.\n"))
        add(engine.store, *load_bytes(f"b{number}.md", f"# Car parks {number}\n\nCar parks.\n"))
    phrases = subjects(engine.store, engine.store.documents())
    assert {"Sick leave", "Car parks"} <= set(phrases)
    assert len(phrases) <= 7


def test_a_few_documents_are_about_their_titles(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for title in ("Lease of the shop", "Notes of 11 March", "Suppliers"):
        add(store, *load_bytes(f"{title}.md", f"# {title}\n\nThe shop is open.\n"))
    assert set(subjects(store, store.documents())) == {"Lease of the shop", "Notes of 11 March"}


def test_an_empty_index_has_no_subjects(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert subjects(store, store.documents()) == ()
