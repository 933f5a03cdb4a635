"""How answers look at the terminal: their words first, marks and sources in their places."""

from dataclasses import replace
from typing import Any

import click
import pytest

from rag.render import terminal
from rag.types import Alternative, Answer, Citation, Piece

FIRST = "The lease ends when the tenant gives notice in writing, three months before the end."
SECOND = "The landlord confirms it within a week."
TEXT = f"{FIRST} {SECOND}"


def piece(quote: str, **values: Any) -> Piece:
    start = TEXT.index(quote)
    place = (start, start + len(quote), quote)
    return Piece(Citation("lease.md", "Lease", "Lease", "/lease.md", "0", *place, *place), **values)


def answer(form: str, *pieces: Piece) -> Answer:
    text = " ".join(one.text for one in pieces)
    citations = tuple(one.citation for one in pieces)
    return Answer("?", text, 0.84, citations, (), (), None, {}, form=form, pieces=pieces)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "46")


def test_an_answer_begins_with_its_words_and_marks_do_not_stand_alone() -> None:
    text = terminal.answer(answer("sentences", piece(FIRST), piece(SECOND)))
    shown = click.unstyle(text).splitlines()
    assert shown[0] == "    The lease ends when the tenant gives"
    assert not any(line.strip() in ("[1]", "[2]") for line in shown)
    assert shown[-3:] == ["(confidence 84%)", "", "  [1, 2] lease.md > Lease"]


def test_every_width_keeps_a_mark_beside_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in range(32, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = terminal.answer(answer("sentences", piece(FIRST))).splitlines()
        (marked,) = [line for line in lines if line.endswith("end. [1]")]
        assert len(marked) <= width


def test_a_list_keeps_its_lines() -> None:
    shown = terminal.answer(answer("list", piece(SECOND)))
    assert shown.startswith("    The landlord confirms it within a week. [1]\n(confidence 84%)\n")


def test_a_refusal_shows_no_scores() -> None:
    given = answer("span", piece(FIRST))
    refused = replace(given, text=None, citations=(), abstention_reason="nothing fits")
    assert click.unstyle(terminal.answer(refused)) == "not found: nothing fits"


def test_conflicts_have_the_days_of_their_documents() -> None:
    later = replace(piece(FIRST).citation, date="2024-05-02")
    earlier = replace(piece(SECOND).citation, date="2024-03-01")
    other = Alternative("a week", 0.6, (earlier,), 1)
    given = answer("span", Piece(later))
    shown = click.unstyle(terminal.answer(replace(given, conflicts=(other,), documents=1)))
    assert "in 1 document of 2024-05-02; a week in 1 document of 2024-03-01\n" in shown
