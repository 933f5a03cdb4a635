"""How answers look at the terminal: their words first, marks and sources in their places."""

import re
from dataclasses import replace
from typing import Any

import click
import pytest

from rag.render import terminal
from rag.types import Alternative, Answer, Citation, Piece, path_of

FIRST = "The lease ends when the tenant gives notice in writing, three months before the end."
SECOND = "The landlord confirms it within a week."
TEXT = f"{FIRST} {SECOND}"


def piece(quote: str, **values: Any) -> Piece:
    start = TEXT.index(quote)
    end = start + len(quote)
    citation = Citation(
        document_id="lease.md",
        title="Lease",
        headings=("Lease",),
        source="/lease.md",
        sha256="0",
        start=start,
        end=end,
        quote=quote,
        sentence_start=start,
        sentence_end=end,
        sentence=quote,
    )
    return Piece(citation, **values)


def answer(form: str, *pieces: Piece) -> Answer:
    text = " ".join(piece.text for piece in pieces)
    citations = tuple(piece.citation for piece in pieces)
    return Answer("?", text, 0.84, citations, (), (), None, {}, form=form, pieces=pieces)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "46")


def test_an_answer_begins_with_its_words_and_marks_do_not_stand_alone() -> None:
    text = terminal.answer(answer("sentences", piece(FIRST), piece(SECOND)))
    lines = click.unstyle(text).splitlines()
    assert lines[0] == "    The lease ends when the tenant gives"
    assert not any(line.strip() in ("[1]", "[2]") for line in lines)
    assert lines[-3:] == ["(confidence 84%)", "", "  [1, 2] lease.md > Lease"]


def test_every_width_keeps_a_mark_beside_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in range(32, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = terminal.answer(answer("sentences", piece(FIRST))).splitlines()
        (marked,) = [line for line in lines if line.endswith("end. [1]")]
        assert len(marked) <= width


def test_a_list_keeps_its_lines() -> None:
    printed = terminal.answer(answer("list", piece(SECOND)))
    assert printed.startswith("    The landlord confirms it within a week. [1]\n(confidence 84%)\n")


def test_a_refusal_shows_no_scores() -> None:
    answered = answer("span", piece(FIRST))
    refused = replace(answered, text=None, citations=(), abstention_reason="nothing fits")
    assert click.unstyle(terminal.answer(refused)) == "not found: nothing fits"


LONG = "The tenant keeps the flat clean. " * 9 + FIRST + " The landlord paints it." * 9


def _refused(sentence: str, documents: int = 5) -> list[str]:
    """The lines of a refusal with five candidates in this sentence of so many documents."""
    start = sentence.index("three months")
    citation = replace(
        piece(FIRST).citation,
        quote="three months",
        start=start,
        end=start + 12,
        sentence=sentence,
        sentence_start=0,
        sentence_end=len(sentence),
    )
    places = [replace(citation, document_id=f"{n % documents}.md") for n in range(5)]
    guesses = tuple(Alternative("three months", 0.3, (place,)) for place in places)
    refused = replace(
        answer("span", piece(FIRST)),
        text=None,
        citations=(),
        alternatives=guesses,
        abstention_reason="unsure",
    )
    return click.unstyle(terminal.answer(refused)).splitlines()


def test_a_refusal_shows_the_whole_sentence_of_the_best_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long_enough = LONG[250:500]
    lines = _refused(long_enough)
    second = next(number for number, line in enumerate(lines) if line.startswith("  [2]"))
    first = " ".join(" ".join(line for line in lines[:second] if line[:6].isspace()).split())
    assert first == long_enough.strip()


def test_a_refusal_shows_a_sentence_once() -> None:
    lines = _refused(LONG, documents=2)
    sources = [line for line in lines if line.startswith("  [")]
    assert sources == ["  [1] 0.md > Lease", "  [2] 1.md > Lease"]


def test_a_refusal_shows_two_lines_of_the_other_candidates() -> None:
    lines = _refused(LONG)
    assert lines[0] == "not found: unsure"
    second = next(number for number, line in enumerate(lines) if line.startswith("  [2]"))
    passages = [line for line in lines[second:] if line.startswith("      ")]
    assert len([line for line in lines if line.startswith("  [")]) == 3
    assert len(passages) == 4
    joined = " ".join(" ".join(passages[:2]).split())
    assert joined.startswith("… ")
    assert joined.endswith(" …")
    assert "three months" in joined
    assert all(word in LONG.split() for word in joined.strip("… ").split())


def test_sources_are_lines_of_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("records/of/the/office/of/the/secretary/lease.md", "lease.md")
    headings = ("Lease of the second floor", "1. Premises and term", "Prolongation")
    for width in range(32, 90):
        monkeypatch.setenv("COLUMNS", str(width))
        for name in names:
            cited = replace(piece(FIRST).citation, document_id=name, headings=headings)
            printed = click.unstyle(terminal.answer(answer("sentences", Piece(cited))))
            source = printed[printed.index("  [1] ") :].splitlines()
            assert max(map(len, source)) <= width
            words = re.findall(r"[^\s/]+/?", f"[1] {name} > {path_of(headings)}")
            printed_words = [word for line in source for word in re.findall(r"[^\s/]+/?", line)]
            assert [word for word in printed_words if word not in words] == []


def test_another_candidate_that_is_a_list_is_one_short_line() -> None:
    listed = "\n".join(f"Reason: {number} | Days: {number}" for number in range(40))
    candidate = Alternative(listed, 0.2, (piece(SECOND).citation,))
    printed = terminal.answer(replace(answer("span", piece(FIRST)), alternatives=(candidate,)))
    assert len(click.unstyle(printed).partition("Other candidates")[2]) < 140


def test_conflicts_have_the_days_of_their_documents() -> None:
    later = replace(piece(FIRST).citation, date="2024-05-02")
    earlier = replace(piece(SECOND).citation, date="2024-03-01")
    rival = Alternative("a week", 0.6, (earlier,), 1)
    answered = answer("span", Piece(later))
    printed = click.unstyle(terminal.answer(replace(answered, conflicts=(rival,), documents=1)))
    assert "in 1 document of 2024-05-02; a week in 1 document of 2024-03-01\n" in printed


def test_a_table_has_a_paragraph_a_row_where_it_is_too_wide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heading = ["", "Tenant", "Rent"]
    rows = [["oak.md", "Ames & <Sons> | \\Bo\x1b[2J", "€550"], ["elm.md", "–", "€1,200"]]
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal.table(heading, rows) == [
        "|        | Tenant                  | Rent   |",
        "| ------ | ----------------------- | ------ |",
        "| oak.md | Ames & <Sons> | \\Bo\ufffd[2J | €550   |",
        "| elm.md | –                       | €1,200 |",
    ]
    monkeypatch.setenv("COLUMNS", "32")
    assert terminal.table(heading, rows) == [
        "oak.md",
        "  Tenant: Ames & <Sons> |",
        "  \\Bo\ufffd[2J",
        "  Rent: €550",
        "",
        "elm.md",
        "  Tenant: –",
        "  Rent: €1,200",
    ]
    assert len(terminal.table(heading, [])) == 2


def test_a_list_in_a_table_keeps_its_items_apart() -> None:
    rows = [["oak.md", "- No dogs\x07.\n\n- No smoking | fires."], ["elm.md", "–"]]
    assert terminal.table(["", "Rules"], rows) == [
        "oak.md",
        "  Rules:",
        "    - No dogs\ufffd.",
        "    - No smoking | fires.",
        "",
        "elm.md",
        "  Rules: –",
    ]
