from dataclasses import replace
from urllib.parse import unquote

import pytest

from rag.render.cited import cited, place_line
from rag.render.links import page_link, resource_link
from rag.types import Alternative, Answer, Citation, Hit, Passage, Piece

TEXT = "Oman hosted talks.\n1. Turn it off.\n2. Wait.\nThe lease ends in May 2027."


def citation(quote: str, sentence: str = "", document_id: str = "a.md") -> Citation:
    sentence = sentence or quote
    return Citation(
        document_id=document_id,
        title="A",
        headings=("A", "B"),
        source="/a.md",
        sha256="0" * 64,
        start=TEXT.index(quote),
        end=TEXT.index(quote) + len(quote),
        quote=quote,
        sentence_start=TEXT.index(sentence),
        sentence_end=TEXT.index(sentence) + len(sentence),
        sentence=sentence,
        page=2,
    )


def answer(text: str | None, pieces: list[Piece], form: str = "span", **values: object) -> Answer:
    citations = tuple(piece.citation for piece in pieces)
    composed = Answer("Q?", text, 0.9, citations, (), (), None, {}, form=form, pieces=tuple(pieces))
    return replace(composed, **values)  # type: ignore[arg-type]


def test_a_span_is_quoted_with_its_sentence() -> None:
    shown_answer = cited(
        answer("May 2027", [Piece(citation("May 2027", "The lease ends in May 2027."))])
    )
    assert (
        shown_answer.text
        == "May 2027 [1]\n\n[1] A > B, page 2 (a.md): “The lease ends in May 2027.”"
    )
    (mark,) = shown_answer.marks
    assert shown_answer.text[mark.start : mark.end] == mark.citation.quote == "May 2027"
    assert shown_answer.text[: shown_answer.body] == "May 2027 [1]"


def test_each_piece_is_followed_by_its_number() -> None:
    pieces = [Piece(citation("1. Turn it off.")), Piece(citation("2. Wait."))]
    shown_answer = cited(answer("1. Turn it off.\n2. Wait.", pieces, "steps", more=3))
    assert (
        shown_answer.text[: shown_answer.body] == "1. Turn it off. [1]\n2. Wait. [2]\n… and 3 more"
    )
    for mark in shown_answer.marks:
        assert shown_answer.text[mark.start : mark.end] == mark.citation.quote


def test_verdicts_and_sides_are_shown() -> None:
    piece = Piece(citation("Oman hosted talks."))
    shown_answer = cited(answer("Yes. Oman hosted talks.", [piece], "yes_no"))
    assert shown_answer.text.startswith("Yes. Oman hosted talks. [1]\n\n[1] ")
    shown_answer = cited(answer("On a condition. Oman hosted talks.", [piece], "yes_no"))
    assert shown_answer.text.startswith("On a condition. Oman hosted talks. [1]\n\n[1] ")
    sides = [replace(piece, label="Oman"), Piece(citation("2. Wait."), label="Waiting")]
    shown_answer = cited(answer("Oman hosted talks.\n2. Wait.", sides, "comparison"))
    assert (
        shown_answer.text[: shown_answer.body]
        == "Oman: Oman hosted talks. [1]\nWaiting: 2. Wait. [2]"
    )


def test_a_catalogue_cites_after_its_titles() -> None:
    oman, numbered = citation("Oman hosted talks."), citation("2. Wait.", "", "b.md")
    pieces = [Piece(oman, label="A"), Piece(numbered, label="B")]
    shown_answer = cited(answer("A\nB", pieces, "catalogue"))
    assert shown_answer.text[: shown_answer.body] == "A [1]\nB [2]"


@pytest.mark.parametrize(("day", "of_day"), [("", ""), ("2024-05-02", " of 2024-05-02")])
def test_conflicts_are_shown(day: str, of_day: str) -> None:
    span = citation("May 2027", "The lease ends in May 2027.")
    rival = Alternative("2. Wait.", 0.8, (replace(citation("2. Wait.", "", "b.md"), date=day),))
    shown_answer = cited(answer("May 2027", [Piece(span)], conflicts=(rival,)))
    assert f"Another document{of_day} disagrees: 2. Wait. [2]\n\n[1] " in shown_answer.text


def test_a_refusal_shows_the_closest_passages_without_marks() -> None:
    hit = Hit(Passage("a.md", 0, 18, "Oman hosted\ntalks.", "A", ("A", "B")), 0.5, 0.4, 1.0)
    shown_answer = cited(answer(None, [], abstention_reason="they do not say so", hits=(hit,) * 5))
    assert shown_answer.text.startswith("Not found in the documents: they do not say so.\n\n")
    assert shown_answer.text.count("\n- A > B (a.md): “Oman hosted talks.”") == 3
    assert shown_answer.marks == ()


def test_a_refusal_shows_the_sentences_of_the_best_candidates_whole() -> None:
    hit = Hit(Passage("a.md", 0, 18, "Oman hosted talks.", "A", ("A",)), 0.5, 0.4, 1.0)
    span = citation("May 2027", "The lease ends in May 2027.")
    guesses = (Alternative("May 2027", 0.28, (span,)), Alternative("Oman", 0.03, (span,)))
    refused = answer(None, [], abstention_reason="unsure", hits=(hit,))
    shown_answer = cited(replace(refused, alternatives=guesses))
    assert shown_answer.text.endswith(f"- {place_line(span)}: “The lease ends in May 2027.”")
    assert "Oman" not in shown_answer.text


@pytest.mark.parametrize("document_id", ["a.md", "ein Ordner/ä#?&.md", "x//y"])
def test_links_keep_any_id(document_id: str) -> None:
    link = resource_link(document_id, 3, 5)
    assert unquote(link) == f"rag://document/{document_id}#char=3,5"
    assert link.count("#") == 1
    assert "#" not in page_link("http://h/", document_id, 3, 5).partition("#")[2]
    assert place_line(Passage(document_id, 0, 0, "", document_id, ())) == document_id


def test_an_image_in_a_document_is_not_loaded_by_a_chat_front_end() -> None:
    quote = "Look: ![x](http://evil.example/a.png) here"
    piece = Piece(replace(citation("2. Wait."), quote=quote, sentence=quote))
    shown_answer = cited(answer(quote, [piece], "sentences"))
    assert "![" not in shown_answer.text
    assert shown_answer.body == len(f"{quote} [1]")
    (mark,) = shown_answer.marks
    assert shown_answer.text[mark.start : mark.end] == quote.replace("!", "\uff01")
