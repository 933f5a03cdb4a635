"""The candidates that are proposed for a reading. Nothing is decided here."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.candidate import Candidate
from rag.answering.proposals import candidates, section
from rag.answering.reading import Reading
from rag.meaning.sentences import split_sentences
from rag.types import Document
from tests.answering.readings import hit_of, reading_of, texts
from tests.fakes import document, table

LEASE = document(
    "The lease ends in May. It can be renewed once. Dogs are allowed, unless they bark. The rent "
    "is 900 euros. Rent is due on the first.",
    "lease",
)
STEPS = document(
    "To reset it:\n\n1. Hold the button.\n2. Wait.\n3. Let it go.\n\nThat is all.", "steps"
)
CODES = table(
    [["Display", "Cause"], ["F01", "no water"], ["F04", "door open"], ["F07", "door blocked"]],
    "codes",
)


def proposed(reading: Reading, generator: str) -> list[Candidate]:
    return [candidate for candidate in candidates(reading) if candidate.generator == generator]


def proposed_texts(source: Document, scores: Sequence[float], generator: str) -> list[list[str]]:
    return [
        texts(candidate, source) for candidate in proposed(reading_of(source, scores), generator)
    ]


def test_a_run_has_the_sentences_that_score_nearly_as_well_in_order() -> None:
    runs = proposed_texts(LEASE, [0.9, 0.1, 0.1, 0.8, 0.1], "run")
    assert ["The lease ends in May.", "The rent is 900 euros."] in runs


def test_a_sentence_is_proposed_with_the_one_before_it() -> None:
    pairs = proposed_texts(LEASE, [0.1, 0.9, 0.1, 0.1, 0.1], "neighbours")
    assert ["The lease ends in May.", "It can be renewed once."] in pairs


def test_a_sentence_that_scores_low_and_is_not_needed_leads_no_answer() -> None:
    pairs = proposed_texts(LEASE, [0.1, 0.1, 0.05, 0.9, 0.1], "neighbours")
    firsts = {pair[0] for pair in pairs if "The rent is 900 euros." in pair}
    assert firsts == {"The rent is 900 euros."}
    tank = document("Many have one. A tank stores water. It helps. It is round. It lasts.", "t")
    paragraphs = proposed_texts(tank, [0.01, 0.9, 0.1, 0.1, 0.1], "paragraph")
    assert paragraphs == [["A tank stores water.", "It helps.", "It is round.", "It lasts."]]


TICKETS = table(
    [["Ticket", "Price"], ["Adults", "7.20"], ["Adults with sauna", "15.90"], ["Seniors", "5.40"]],
    "tickets",
)


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("What does a day ticket for adults cost?", ["Adults"]),
        ("What do adults with sauna pay?", ["Adults with sauna"]),
    ],
)
def test_a_row_whose_whole_label_is_asked_is_meant(question: str, labels: list[str]) -> None:
    reading = reading_of(TICKETS, [0.4, 0.9, 0.7, 0.1], question=question)
    (matching,) = proposed(reading, "rows")
    firsts = [row.split(" | ")[0] for row in texts(matching, TICKETS)]
    assert firsts == [f"Ticket: {label}" for label in labels]


def test_yes_and_no_are_both_proposed_with_their_sentence() -> None:
    reading = reading_of(LEASE, [0.1, 0.1, 0.9, 0.1, 0.1], (0.9, 0.05, 0.05))
    verdicts = proposed(reading, "yes_no")
    proofs = {candidate.verdict: texts(candidate, LEASE)[0] for candidate in reversed(verdicts)}
    assert proofs == dict.fromkeys(("yes", "no"), "Dogs are allowed, unless they bark.")
    assert {candidate.lead for candidate in verdicts} == {"Yes.", "No."}


def test_no_verdict_is_proposed_without_a_sentence() -> None:
    reading = Reading("Is it so?", [], reading_of(LEASE, [0.1] * 5, (0.9, 0.05, 0.05)).output, {})
    assert candidates(reading) == []


def test_a_list_keeps_its_numbers_and_its_lead_in() -> None:
    (lines,) = proposed_texts(STEPS, [0.1, 0.1, 0.9, 0.1, 0.1], "list")
    assert lines == ["To reset it:", "1. Hold the button.", "2. Wait.", "3. Let it go."]


def test_items_that_answer_are_proposed_without_those_that_do_not() -> None:
    lists = proposed_texts(STEPS, [0.1, 0.9, 0.05, 0.8, 0.1], "items")
    assert ["To reset it:", "1. Hold the button.", "3. Let it go."] in lists


def test_a_long_list_shows_twenty_items_and_counts_the_others() -> None:
    source = document("All of them:\n\n" + "\n".join(f"- number {n}" for n in range(25)), "long")
    (candidate,) = proposed(reading_of(source, [0.1, 0.9] + [0.1] * 24), "list")
    assert (len(candidate.places), candidate.more) == (21, 5)


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("Which codes are there?", ["F01", "F04", "F07"]),
        ("Which codes are about the door?", ["F04", "F07"]),
        ("What can the display show if the door is blocked?", ["F07"]),
    ],
)
def test_rows_are_those_with_the_question_s_words(question: str, rows: list[str]) -> None:
    reading = reading_of(CODES, [0.4, 0.6, 0.7, 0.9], question=question)
    (matching,) = proposed(reading, "rows")
    firsts = [row.split(" | ")[0] for row in texts(matching, CODES)]
    assert firsts == [f"Display: {row}" for row in rows]


def test_headings_and_column_names_are_no_sentences() -> None:
    text = "Garden leave\n------------\n\nStaff may be sent home on full pay. Keys are returned."
    sentences = proposed_texts(document(text, "g"), [0.9, 0.2, 0.1], "sentence")
    assert ["Garden leave\n------------"] not in sentences
    assert ["Display | Cause"] not in proposed_texts(CODES, [0.9, 0.1, 0.1, 0.1], "sentence")


def test_a_comparison_has_a_place_for_each_side() -> None:
    question = "What is the difference between the lease and the rent?"
    reading = reading_of(LEASE, [0.8, 0.1, 0.1, 0.7, 0.6], question=question)
    (sides,) = proposed(reading, "comparison")
    assert [place.label for place in sides.places] == ["the lease", "the rent"]
    assert texts(sides, LEASE) == ["The lease ends in May.", "The rent is 900 euros."]


def test_one_sentence_about_both_sides_is_one_place() -> None:
    offers = document("Hartwell asks 1,420 and Nord 2,260. Both were asked in May.", "offers")
    question = "What is the difference between Hartwell and Nord?"
    reading = reading_of(offers, [0.9, 0.2], question=question)
    (sides,) = proposed(reading, "comparison")
    assert [place.label for place in sides.places] == ["Hartwell, Nord"]


def test_a_side_without_a_sentence_makes_no_comparison() -> None:
    reading = reading_of(LEASE, [0.3] * 5, question="The lease or the garage?")
    assert proposed(reading, "comparison") == []


RULES = document(
    "Only with a permit:\n\n- tents\n- fires\n\nNever allowed:\n\n- drones\n- motors", "rules"
)


def test_items_of_two_lists_are_never_mixed_and_keep_their_lead_in() -> None:
    (run,) = proposed_texts(RULES, [0.1, 0.9, 0.8, 0.1, 0.8, 0.8], "run")
    assert run == ["Only with a permit:", "- tents", "- fires"]
    (sentence_texts, *_) = proposed_texts(RULES, [0.1, 0.1, 0.1, 0.1, 0.9, 0.1], "sentence")
    assert sentence_texts == ["Never allowed:", "- drones"]


def test_a_sentence_that_names_a_section_is_proposed_with_it() -> None:
    text = "A fall\n======\n\nCall us. See also Reports.\n\nReports\n=======\n\nWrite by May."
    falls = document(text, "falls")
    pairs = proposed_texts(falls, [0.1, 0.2, 0.9], "neighbours")
    assert ["See also Reports.", "Write by May."] in pairs


def test_the_section_of_the_asked_day_is_proposed() -> None:
    reading = reading_of(LEASE, [0.1] * 5, question="What was agreed on 3.5.2024?")
    hit = reading.hits[0]
    dated = replace(hit, passage=replace(hit.passage, headings=("Log", "3 May 2024")))
    assert [*section(replace(reading, hits=[dated]))]
    of_next_day = replace(hit, passage=replace(hit.passage, headings=("Log", "4 May 2024")))
    assert not [*section(replace(reading, hits=[of_next_day]))]


def test_a_heading_with_the_question_s_words_proposes_its_section() -> None:
    reading = reading_of(LEASE, [0.1] * 5, question="How do I renew the lease?")
    hit = reading.hits[0]
    titled = replace(hit, passage=replace(hit.passage, headings=("FAQ", "Renew the lease")))
    candidate, *_ = section(replace(reading, hits=[titled]))
    assert texts(candidate, LEASE) == ["The lease ends in May."]


def test_a_form_that_a_person_chose_leaves_the_others_out() -> None:
    reading = reading_of(LEASE, [0.9] * 5, (0.9, 0.05, 0.05), quotes=["May"])
    assert {candidate.form for candidate in candidates(reading, "yes_no")} == {"yes_no"}
    assert {candidate.form for candidate in candidates(reading, "span")} == {"span"}
    assert {candidate.form for candidate in candidates(reading, "overview")} >= {
        "span",
        "sentences",
    }


@settings(max_examples=60)
@given(
    st.text(st.sampled_from("ab .\n-1|:"), min_size=1, max_size=300),
    st.floats(0.01, 0.99),
    st.sampled_from(["Why?", "a or b?", "Which a are b?"]),
)
def test_every_place_lies_in_its_document(text: str, score: float, question: str) -> None:
    source = document(text, "any")
    if not text.strip():
        return
    passage = hit_of(source).passage
    scores = [score] * len(split_sentences(passage.text))
    reading = reading_of(source, scores, (0.5, 0.3, 0.2), question)
    for candidate in candidates(reading):
        assert candidate.places
        for place in candidate.places:
            assert 0 <= place.start < place.end <= len(text)
            assert text[place.start : place.end].strip()
        for piece in candidate.pieces(reading.documents):
            assert text[piece.citation.start : piece.citation.end] == piece.text
