"""Kinds of questions that are easily answered wrongly, each with questions on its own documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import rag
from rag.types import TALK, Answer

pytestmark = pytest.mark.slow
DOCUMENTS = Path(__file__).parent / "question_kinds"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the shown answer has and lacks; `has` is empty for a question that is refused."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    form: str = ""
    documents: tuple[str, ...] = ()
    conflict: str = field(default="")


def says(*has: str, lacks: tuple[str, ...] = (), form: str = "", conflict: str = "") -> Expected:
    return Expected(has, lacks, form, conflict=conflict)


def names(*documents: str) -> Expected:
    return Expected(documents=documents, form="catalogue")


REFUSED = Expected()
PATTERNS: dict[str, list[tuple[str, Expected]]] = {
    "lists do not swallow facts, and keep their lead-in": [
        ("How hot must the oven be at the start?", says("230 °C", lacks=("25 minutes",))),
        ("How much salt is in the rye bread?", says("12 g", lacks=("flour",))),
        ("What must I bring to borrow shoes?", says("a photo ID", "deposit of 20", "clean socks")),
        ("What can I not rent?", says("Not for rent", "helmets", "chalk bags", lacks=("socks",))),
        ("How do I bake the loaf?", says("lid on", "lower the oven", "20 minutes", "cool")),
    ],
    "a qualifier decides": [
        ("When do women train?", says("Mondays", lacks=("Thursdays",))),
        ("Are chalk balls allowed during competitions?", says("No", form="yes_no")),
        ("How much is the year ticket for adults?", says("1,800 euros")),
        ("May a child of 13 climb with a rope?", says("No", form="yes_no")),
        ("How tall may a tree be?", says("4 metres")),
    ],
    "a heading that is the question": [
        ("I lost my locker key, what now?", says("open the locker", "35 euros")),
        ("How long is a voucher valid?", says("three years")),
    ],
    "forms": [
        ("backup vs snapshot", says("copies every file", "records only what changed")),
        ("voucher validity", says("three years")),
        ("In which meetings was the fence discussed?", names("2025-02-11", "2025-03-11")),
        ("Which recipes use caraway?", names("bread")),
        ("Which documents are needed for borrowing shoes?", says("a photo ID", lacks=("Tern",))),
        ("When and where do dogs wait?", says("entrance hall")),
    ],
    "words of British English": [
        ("How do administrators optimise the tables?", says("first Sunday")),
        ("When does the licence of the fonts end?", says("30 September 2026")),
    ],
    "a verdict has a sentence that decides it": [
        ("Can I import 60 files at once?", says("No", "between 5 and 40", form="yes_no")),
        (
            "Can I restore a mailbox that was deleted five weeks ago?",
            says("No", "cannot be restored", form="yes_no"),
        ),
        ("May I light a bonfire in June?", says("No", "forbidden", form="yes_no")),
        ("Do pensioners pay the full rent?", says("No", "half of the rent", form="yes_no")),
    ],
    "dates and authors of documents": [
        ("What was decided on 11 February 2025?", says("two compost bins")),
        ("Who was present on 11 March 2025?", says("Jonas Feld", "Li Chen", lacks=("Mara",))),
        ("Who wrote the minutes of 11 March 2025?", says("Jonas Feld", lacks=("Li Chen",))),
        ("Which documents are by Mara Oduya?", names("2025-02-11")),
    ],
    "reasons and definitions": [
        ("Why do larger folders have to be split?", says("between 5 and 40 files")),
        ("What is a shard?", says("part of the index")),
        ("Why was the summer fair cancelled?", says("no one offered")),
    ],
    "a unit stays with its number": [
        ("How much is the rent of a plot?", says("190 euros")),
        ("How high may a shed be?", says("2.4 metres")),
        ("How much water goes into the rye bread?", says("380 ml")),
    ],
    "talk to the machine": [(words, says(form=TALK)) for words in ("Who are you?", "exit")],
    "later documents that change earlier ones": [
        ("When will the water main be repaired?", says("18 March", conflict="4 March 2025")),
        ("How much is the entrance fee for the party?", says("15 euros", conflict="12 euros")),
    ],
    "rows of one table do not disagree": [
        ("How much is the day ticket for adults?", says("14 euros", lacks=("120",)))
    ],
    "what no document says": [
        ("What is the wifi password?", REFUSED),
        ("How much does a helmet cost to rent?", REFUSED),
        ("Who is the trainer of the women?", REFUSED),
    ],
}
ALL = [(name, *case) for name, cases in PATTERNS.items() for case in cases]
LOST = {
    "How hot must the oven be at the start?": "the temperature after it was lowered is given",
    "May I light a bonfire in June?": "on a condition: the reader compares no month with a range",
}
"""What the reader before its last two runs answered rightly, and what is wrong today."""


def parameters() -> list[Any]:
    """Every pattern's questions; a test fails if one of `LOST` is right again."""
    cases = []
    for name, question, expected in ALL:
        reason = LOST.get(question)
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        cases.append(pytest.param(name, question, expected, marks=marks))
    return cases


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    """The answers to all questions, by question."""
    with rag.open(tmp_path_factory.mktemp("patterns") / "index") as index:
        index.ingest(DOCUMENTS)
        yield {question: index.engine.ask(question) for _, question, _ in ALL}


@pytest.mark.parametrize(("pattern", "question", "expected"), parameters())
def test_a_pattern_is_mended(
    answers: dict[str, Answer], pattern: str, question: str, expected: Expected
) -> None:
    answer = answers[question]
    text = answer.text or ""
    assert bool(text) == bool(expected.has or expected.documents), (pattern, text)
    assert all(words in text for words in expected.has), (pattern, text)
    assert not any(words in text for words in expected.lacks), (pattern, text)
    assert expected.form in ("", answer.form)
    cited = [citation.document_id for citation in answer.citations]
    if expected.documents:
        assert len(cited) == len(expected.documents)
    assert all(any(expected_part in name for name in cited) for expected_part in expected.documents)
    disputed = [side.text for side in answer.conflicts]
    assert [expected.conflict] == disputed or not expected.conflict
    if "disagree" in pattern:
        assert not disputed


CLUB = {
    "pottery.md": (
        "# Pottery course\n\nThe pottery course starts on 12 October at 9:30.\n\n"
        "It meets in the old dairy, Dyke Road 7. For accidents see Reporting.\n\n"
        "## Reporting\n\nWrite to the wardens within two days.\n"
    ),
    "2024-07-24 club.md": "# The club\n\nThe club discussed the broken kiln. It is old.\n",
    "september.md": (
        "---\ndate: 2024-09-11\n---\n\n# The club\n\nThe club discussed the harvest fair.\n"
    ),
    "choir.md": (
        "# Choir, meeting of 5 June 2024\n\n## Concert\n\nThe concert moves to the old chapel.\n\n"
        "## Robes\n\nTwelve new robes are bought from Hale & Son.\n\n"
        "## Piano\n\nThe piano is tuned twice a year from now on.\n"
    ),
    "log.md": (
        "# Log of the board\n\n## 8 March 2024\n\nThe board discussed the tariff for water.\n\n"
        "## 2 February 2024\n\nThe board discussed the accounts of 2023.\n"
    ),
}
ASKED = [
    ("When and where does the pottery course start?", ("12 October", "the old dairy")),
    ("what was discussed on 24 july?", ("the broken kiln",)),
    ("What did the club discuss on July 24th, 2024?", ("the broken kiln",)),
    ("What did the club discuss on 11 September?", ("the harvest fair",)),
    ("What did the board discuss on 2024-02-02?", ("accounts of 2023",)),
    ("What did the choir decide on 5 June?", ("old chapel", "Twelve new robes", "tuned twice")),
    ("What was decided about the robes on 5 June?", ("Twelve new robes",)),
    ("What did the board discuss on 8.3.2024?", ("the tariff",)),
]


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The answers of the club's documents, by question."""
    folder = tmp_path_factory.mktemp("club")
    for name, text in CLUB.items():
        (folder / name).write_text(text, encoding="utf-8")
    with rag.open(tmp_path_factory.mktemp("clubs") / "index") as index:
        index.ingest(folder)
        yield {question: index.engine.ask(question).text or "" for question, _ in ASKED}


@pytest.mark.parametrize(("question", "has"), ASKED)
def test_days_and_places_are_found(
    club: dict[str, str], question: str, has: tuple[str, ...]
) -> None:
    assert all(words in club[question] for words in has), club[question]
