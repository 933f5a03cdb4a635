"""Answers in every form, from the output of a reader with all heads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from rag.answering.answer import AbstentionPolicy
from rag.answering.by_form import ALL_NEEDED, Read, answer
from rag.answering.confidence import Confidence
from rag.answering.form_confidence import PLAIN
from rag.answering.forms import NEEDS_ALL
from rag.ingestion.chunking import split
from rag.meaning.sentences import split_sentences
from rag.protocols import ReaderOutput, SentenceScore, Verdict
from rag.types import Answer, Document, Hit, Span
from tests.fakes import BagOfWordsEmbedder, document, table

SURE = Confidence({"gap": 1.0}, 0.0, 0.5, 0.0)
LEASE = document(
    "The lease ends in May. It can be renewed once. Dogs are allowed, unless they bark. The rent "
    "is 900 euros. "
    "Rent is due on the first.",
    "lease",
)
STEPS = document(
    "To reset it:\n\n1. Hold the button.\n2. Wait.\n3. Let it go.\n\nThat is all.", "steps"
)


def read(
    form: str,
    found: Document,
    scores: list[float],
    verdict: tuple[float, float, float] | None = None,
    sides: tuple[str, ...] = (),
    span: float = 1.0,
    words: Sequence[tuple[int, int]] = (),
    likely: Mapping[str, float] | None = None,
    question: str = "Is it so?",
) -> Answer:
    whole = replace(found, blocks=())
    (passage, *_) = split(whole, BagOfWordsEmbedder().count_tokens)
    hit = Hit(passage, 1.0, 0.5, 2.0)
    places = split_sentences(passage.text)
    sentences = [
        SentenceScore(hit, *place, score) for place, score in zip(places, scores, strict=True)
    ]
    spans = [Span(hit, *place, span) for place in words or places[:1]]
    verdicts = [Verdict(hit, *verdict)] if verdict else []
    output = ReaderOutput(spans, sentences, verdicts)
    of_sides = tuple((side, output) for side in sides)
    made = Read(question, form, [hit], output, {found.id: found}, of_sides, likely or {})
    given = answer(made, AbstentionPolicy(SURE, 0.5, 3), {}, PLAIN)
    for piece in given.pieces:
        assert found.text[piece.citation.start : piece.citation.end] == piece.text
        assert piece.citation in given.citations
    return given


def test_sentences_come_in_order_with_their_gaps_marked() -> None:
    given = read("sentences", LEASE, [0.9, 0.1, 0.1, 0.8, 0.1])
    assert given.text == "The lease ends in May. […] The rent is 900 euros."
    assert (given.form, [piece.gap for piece in given.pieces]) == ("sentences", [False, True])


def test_a_sentence_that_refers_back_includes_the_previous_one() -> None:
    assert (
        read("sentences", LEASE, [0.1, 0.9, 0.1, 0.1, 0.1]).text
        == "The lease ends in May. It can be renewed once."
    )


def test_unsure_sentences_are_only_the_closest_candidates() -> None:
    given = read("sentences", LEASE, [0.1, 0.05, 0.1, 0.1, 0.5], span=-3.0)
    assert (given.text, given.pieces, given.citations) == (None, (), ())
    assert given.alternatives[0].text == "Rent is due on the first."
    assert "Rent is due" in (given.abstention_reason or "")


@pytest.mark.parametrize("form", ["sentences", "span"])
def test_the_closest_candidates_repeat_no_sentence(form: str) -> None:
    given = read(
        form, LEASE, [0.2, 0.1, 0.1, 0.1, 0.1], span=-3.0, words=[(4, 9), (18, 21), (26, 28)]
    )
    sentences = [other.citations[0].sentence for other in given.alternatives]
    assert sentences == ["The lease ends in May.", "It can be renewed once."]


@pytest.mark.parametrize(
    ("verdict", "said"), [((0.9, 0.05, 0.05), "Yes."), ((0.1, 0.8, 0.1), "No.")]
)
def test_yes_and_no_come_with_the_sentence_that_says_so(
    verdict: tuple[float, float, float], said: str
) -> None:
    given = read("yes_no", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], verdict)
    assert given.text == f"{said} Dogs are allowed, unless they bark."
    assert given.value
    assert given.value.yes is (said == "Yes.")


def test_a_weak_yes_is_no_decision_but_a_weak_no_is() -> None:
    yes = read("yes_no", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], (0.4, 0.25, 0.35))
    no = read("yes_no", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], (0.25, 0.4, 0.35))
    assert (yes.form, no.form) == ("sentences", "yes_no")


def test_undecided_questions_get_neither_yes_nor_no() -> None:
    given = read("yes_no", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], (0.29, 0.2, 0.51))
    assert (given.form, given.text) == ("sentences", "Dogs are allowed, unless they bark.")
    assert read("yes_no", LEASE, [0.1] * 5, (0.29, 0.2, 0.51), span=-3.0).text is None


def test_no_decision_is_surer_than_the_reader_is_between_yes_and_no() -> None:
    given = read("yes_no", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], (0.4, 0.45, 0.15))
    assert given.form == "yes_no"
    assert given.confidence <= 1 / (1 + math.exp(-0.5) * (0.4 / 0.6) / (0.45 / 0.55)) + 1e-6


def test_steps_keep_the_documents_numbers() -> None:
    given = read("steps", STEPS, [0.1, 0.1, 0.9, 0.1, 0.1])
    assert given.text == "1. Hold the button.\n2. Wait.\n3. Let it go."
    assert (given.form, given.more) == ("steps", 0)


def test_a_long_list_shows_twenty_items_and_counts_the_others() -> None:
    found = document("All of them:\n\n" + "\n".join(f"- number {n}" for n in range(25)), "long")
    given = read("list", found, [0.9] + [0.1] * 25)
    assert (len(given.pieces), given.more) == (20, 5)


DESCALING = document(
    "Descale the machine every two months. It takes 40 minutes.\n\n1. Fill the tank.\n2. Put a "
    "bowl under it.\n3. Press OK.\n\nNever use vinegar.",
    "descaling",
)


def test_steps_follow_a_better_sentence_near_them() -> None:
    given = read("steps", DESCALING, [0.9, 0.1, 0.5, 0.4, 0.1, 0.1])
    assert given.form == "steps"
    assert given.text == (
        "Descale the machine every two months.\n1. Fill the tank.\n2. Put a bowl under it.\n"
        "3. Press OK."
    )


def test_steps_that_score_much_less_are_left_out() -> None:
    given = read("steps", DESCALING, [0.9, 0.1, 0.2, 0.2, 0.1, 0.1])
    assert (given.form, given.text) == ("sentences", "Descale the machine every two months.")


@pytest.mark.parametrize(("likely", "form"), [({"list": 0.1}, "list"), ({"list": 0.01}, "span")])
def test_a_list_replaces_a_span_if_several_of_its_items_answer(
    likely: dict[str, float], form: str
) -> None:
    given = read("span", DESCALING, [0.1, 0.1, 0.9, 0.8, 0.1, 0.1], likely=likely)
    assert given.form == form
    one_item = read("span", DESCALING, [0.1, 0.1, 0.9, 0.1, 0.1, 0.1], likely=likely)
    assert one_item.form == "span"


def test_what_a_colon_announces_is_part_of_the_answer() -> None:
    found = document(
        "A venv is made so:\n\n    python -m venv HERE\n\nIt has three parts:\n\n- one\n- two\n"
        "- three\n\nThat is all.",
        "venv",
    )
    given = read("sentences", found, [0.9] + [0.1] * 6)
    assert [piece.text for piece in given.pieces] == ["A venv is made so:", "python -m venv HERE"]
    given = read("sentences", found, [0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1])
    assert [piece.text for piece in given.pieces][1:] == ["- one", "- two", "- three"]


def test_one_word_is_not_an_answer_but_the_sentence_after_it_is() -> None:
    found = document("No. The file does not shrink by itself. Run VACUUM.", "faq")
    assert read("sentences", found, [0.9, 0.2, 0.1]).text == "The file does not shrink by itself."


CODES = table(
    [["Display", "Cause"], ["F01", "no water"], ["F04", "door open"], ["F07", "door blocked"]],
    "codes",
)


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("Which codes are there?", ["F01", "F04", "F07"]),
        ("Which codes are about the door?", ["F04", "F07"]),
        ("What can the display show if the door is blocked?", ["F07"]),
    ],
)
def test_a_list_is_the_rows_of_a_table_that_the_question_asks_for(
    question: str, rows: list[str]
) -> None:
    given = read("list", CODES, [0.4, 0.6, 0.7, 0.9], question=question)
    assert [piece.text.split(" | ")[0] for piece in given.pieces] == [
        f"Display: {row}" for row in rows
    ]


def test_the_names_of_columns_are_no_answer() -> None:
    given = read("sentences", CODES, [0.9, 0.1, 0.1, 0.1])
    assert given.text == "Display: F01 | Cause: no water"


def test_numbered_headings_are_no_list() -> None:
    found = document(
        "1. Cover\n~~~~~~~~\n\nFire is covered.\n\n2. Premium\n~~~~~~~~~~\n\nIt is 90.", "policy"
    )
    assert read("steps", found, [0.1, 0.9, 0.1, 0.1]).form == "sentences"


@pytest.mark.parametrize("verdict", [(0.1, 0.8, 0.1), (0.8, 0.1, 0.1)])
def test_a_sentence_that_begins_with_yes_decides_and_says_it_once(
    verdict: tuple[float, float, float],
) -> None:
    found = document("May I paint my flat? Yes, in any colour. The stairs stay white.", "faq")
    given = read("yes_no", found, [0.1, 0.9, 0.1], verdict)
    assert (given.form, given.text) == ("yes_no", "Yes, in any colour.")
    assert given.value
    assert given.value.yes


def test_a_short_label_is_less_sure_than_a_sentence() -> None:
    label = document("Kinds of dogs: collies.", "label")
    whole = document("Dogs need a garden because they bark in a flat.", "whole")
    short, long = (read("sentences", one, [0.8], (0.5, 0.1, 0.4)) for one in (label, whole))
    assert 0.1 < short.confidence < long.confidence - 0.1


def test_a_question_at_the_end_of_a_paragraph_hides_nothing() -> None:
    found = document("The fee is 50 euros a month. Any questions?", "fee")
    assert read("sentences", found, [0.9, 0.1]).text == "The fee is 50 euros a month."


def test_a_short_line_with_an_amount_is_an_answer() -> None:
    found = document("Refund window 30 days\n\nShipping is free for orders over 50 euros.", "shop")
    assert read("sentences", found, [0.9, 0.01]).text == "Refund window 30 days"


def test_a_number_is_no_no() -> None:
    found = document("No. 7 buses stop at the station every hour.", "buses")
    given = read("yes_no", found, [0.9], (0.97, 0.02, 0.01))
    assert given.value
    assert given.value.yes


def test_steps_without_a_list_are_sentences() -> None:
    assert read("steps", LEASE, [0.1, 0.1, 0.9, 0.1, 0.1]).form == "sentences"


def test_a_comparison_has_a_piece_for_each_side() -> None:
    given = read("comparison", LEASE, [0.8, 0.1, 0.1, 0.7, 0.6], sides=("the lease", "the rent"))
    assert [(piece.label, piece.text) for piece in given.pieces] == [
        ("the lease", "The lease ends in May."),
        ("the rent", "The rent is 900 euros."),
    ]


def test_one_sentence_about_both_sides_is_one_piece() -> None:
    found = document("Hartwell asks 1,420 and Nord 2,260. Both were asked in May.", "offers")
    given = read("comparison", found, [0.9, 0.2], sides=("Hartwell", "Nord"))
    assert [(piece.label, piece.text) for piece in given.pieces] == [
        ("Hartwell, Nord", "Hartwell asks 1,420 and Nord 2,260.")
    ]


def test_a_comparison_names_the_missing_side() -> None:
    sides = ("the lease", "the garage")
    given = read("comparison", LEASE, [0.3, 0.1, 0.1, 0.1, 0.1], sides=sides, span=-3.0)
    assert given.text is None
    assert "the garage" in (given.abstention_reason or "")
    sure = read("comparison", LEASE, [0.9, 0.1, 0.1, 0.1, 0.1], sides=sides)
    assert (sure.form, sure.text) == ("sentences", "The lease ends in May.")


def test_questions_that_need_all_passages_are_refused() -> None:
    assert read(NEEDS_ALL, LEASE, [0.9] * 5).abstention_reason == ALL_NEEDED


def test_a_span_is_the_one_piece_of_its_answer() -> None:
    given = read("span", LEASE, [0.9] * 5)
    assert [piece.text for piece in given.pieces] == [given.text]


def test_a_heading_is_not_an_answer_but_its_text_is() -> None:
    found = document(
        "Garden leave\n------------\n\nStaff may be sent home on full pay. Keys are returned.", "g"
    )
    given = read("sentences", found, [0.9, 0.2, 0.1])
    assert given.text == "Staff may be sent home on full pay."
