import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.candidate import MAX_CITATIONS, Candidate, cite
from rag.answering.compose import Ranked, Ruling, joint_candidate, lone_part, rank
from rag.answering.reading import Reading
from rag.ingestion.chunking import split_document
from rag.protocols import ReaderOutput, Verdict
from rag.types import Document, Hit, Place, Span, YesNo
from tests.answering.readings import Prefers, composed, hit_of, reading_of, span, texts
from tests.answering.readings import answer_of as answer
from tests.fakes import BagOfWordsEmbedder, document
from tests.parsing.reading import load_bytes

A = document("It was signed in 2015. Talks went on.", "a")
B = document("The deal of the year 2015 held.", "b")
C = document("The exit was in 2018.", "c")


def test_equal_spans_of_several_documents_are_one_answer_with_their_citations() -> None:
    spans = [span(A, "2015", 2.0), span(C, "2018", 2.2), span(B, "2015", 1.9)]
    composed_answer = answer("when?", [A, B, C], spans)
    assert composed_answer.text == "2015"
    assert [c.document_id for c in composed_answer.citations] == ["a", "b"]
    sentences = ["It was signed in 2015.", "The deal of the year 2015 held."]
    assert [c.sentence for c in composed_answer.citations] == sentences
    assert [alternative.text for alternative in composed_answer.alternatives] == ["2018"]
    assert composed_answer.abstention_reason is None


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("When does the key of a member end?", ["Henrike"]),
        ("Is it for members or for Henrike?", ["members", "Henrike"]),
    ],
)
def test_no_other_candidate_only_repeats_the_question(question: str, others: list[str]) -> None:
    source = document("The members give their keys back to Henrike in 2015.", "a")
    spans = [span(source, "2015", 2.0), span(source, "members", -1.0), span(source, "Henrike", -2)]
    found = answer(question, [source], spans)
    assert [alternative.text for alternative in found.alternatives] == others


def test_copies_and_equal_sentences_are_one_source() -> None:
    copy = replace(A, id="copy")
    quoted = document("It was signed in 2015. We heard that later.", "quoted")
    documents = [A, copy, quoted, B]
    composed_answer = answer("when?", documents, [span(d, "2015", 2.0) for d in documents])
    assert {c.document_id for c in composed_answer.citations} == {"a", "copy", "quoted", "b"}
    assert composed_answer.documents == 2


def test_copies_are_cited_too() -> None:
    (passage, *_) = split_document(A, BagOfWordsEmbedder().count_tokens)
    start, end = passage.start + 7, passage.end + 7
    copy = replace(passage, document_id="copy", title="Copy", start=start, end=end)
    original = span(A, "2015", 2.0)
    composed_answer = answer(
        "when?", [A], [replace(original, hit=replace(original.hit, copies=(copy,)))]
    )
    (citation,) = composed_answer.citations
    assert citation.copies == (Place("copy", citation.start + 7, citation.end + 7, "Copy"),)
    assert composed_answer.documents == 1


def test_below_the_threshold_the_reason_names_the_best_guess() -> None:
    refusal = answer("when?", [A], [span(A, "2015", -2.0)])
    assert refusal.text is None
    assert refusal.citations == ()
    assert '"2015"' in (refusal.abstention_reason or "")
    assert "(12%, needs 50%)" in (refusal.abstention_reason or "")
    assert refusal.alternatives[0].citations[0].quote == "2015"


CLAUSES = document("2.1 Rent is paid until the last day. It rose to 2.1 in clause 2.2 of May.", "r")


@pytest.mark.parametrize("quote", ["2.1", "until", "2.2"])
def test_pieces_of_a_sentence_are_no_candidates_for_people(quote: str) -> None:
    refusal = answer("when?", [CLAUSES], [span(CLAUSES, quote, -1.0), span(CLAUSES, "May", -2.0)])
    assert refusal.text is None
    assert refusal.abstention_reason == "no passage answers it"
    assert [alternative.text for alternative in refusal.alternatives] == ["May"]


def test_a_figure_that_numbers_nothing_is_a_candidate() -> None:
    start = CLAUSES.text.index("2.1", 5)
    refusal = answer("how much?", [CLAUSES], [span(CLAUSES, "2.1", -1.0, start)])
    assert [alternative.text for alternative in refusal.alternatives] == ["2.1"]


def test_without_spans_there_is_a_reason_too() -> None:
    refusal = answer("when?", [], [])
    assert (refusal.text, refusal.confidence) == (None, 0.0)
    assert refusal.abstention_reason


def test_deleted_and_changed_documents_are_not_cited() -> None:
    for documents in ([], [document("Another text, 2015.", "a")]):
        assert answer("when?", documents, [span(A, "2015", 5.0)]).text is None
    assert cite(span(A, "2015", 1.0), document("Another text, 2015.", "a")) is None
    with_present_document = answer("when?", [B], [span(A, "2015", 5.0), span(B, "2015", 1.0)])
    assert [c.document_id for c in with_present_document.citations] == ["b"]


def test_a_place_in_two_passages_is_cited_once_and_citations_are_few() -> None:
    repeated = span(A, "2015", 3.0)
    spans = [span(document("In 2015.", str(i)), "2015", 1.0) for i in range(9)]
    documents = [A, *(document("In 2015.", str(i)) for i in range(9))]
    composed_answer = answer("when?", documents, [repeated, repeated, *spans])
    assert len(composed_answer.citations) == MAX_CITATIONS
    assert len({(c.document_id, c.start) for c in composed_answer.citations}) == MAX_CITATIONS


D = document("The exit was in 2016.", "d")


def test_conflicts_have_sides_and_counts() -> None:
    spans = [span(C, "2018", 3.0), span(D, "2016", 2.5), span(A, "2015", -1.0)]
    composed_answer = answer("When was the exit?", [A, B, C, D], spans)
    assert (composed_answer.text, composed_answer.documents) == ("2018", 1)
    (side,) = composed_answer.conflicts
    assert (side.text, side.documents, side.citations[0].document_id) == ("2016", 1, "d")
    full_date = document("On 8 May 2018 the exit was made.", "f")
    spans = [span(C, "2018", 3.0), span(full_date, "8 May 2018", 2.9), span(D, "2016", 2.8)]
    reversed_answer = answer("When was the exit?", [C, D, full_date], spans)
    assert (reversed_answer.text, reversed_answer.documents) == ("2018", 2)
    assert [(side.text, side.documents) for side in reversed_answer.conflicts] == [("2016", 1)]


def test_another_things_date_is_not_a_conflict() -> None:
    composed_answer = answer(
        "When was the exit?", [A, C], [span(C, "2018", 3.0), span(A, "2015", 2.9)]
    )
    assert (composed_answer.text, composed_answer.conflicts) == ("2018", ())


@pytest.mark.parametrize(
    ("question", "answering", "rival"),
    [
        ("How many ships came?", "In 2013 [19] ships came.", "In 2016 [50] ships came."),
        ("Who was the chair?", "In 2010 the chair was [Obama].", "In 2004 the chair was [Bush]."),
        ("What is the rent?", "The rent of the flat is [$900].", "The rent of the bay is [$200]."),
        ("Who is the king?", "The king of Spain is [Felipe].", "The king of Norway is [Harald]."),
    ],
)
def test_another_year_or_thing_is_not_a_conflict(question: str, answering: str, rival: str) -> None:
    documents, spans = [], []
    for number, marked in enumerate((answering, rival)):
        documents.append(document(marked.replace("[", "").replace("]", ""), str(number)))
        spans.append(span(documents[-1], re.findall(r"\[(.*)\]", marked)[0], 3.0 - number / 5))
    composed_answer = answer(question, documents, spans)
    assert (composed_answer.text, composed_answer.conflicts) == (spans[0].text, ())


def test_a_denial_is_a_conflict() -> None:
    denied = document("The exit was not in 2018.", "n")
    spans = [span(C, "2018", 3.0), span(denied, "2018", 2.0)]
    composed_answer = answer("When was the exit?", [C, denied], spans)
    assert composed_answer.documents == 1
    (side,) = composed_answer.conflicts
    assert (side.text, side.citations[0].document_id) == ("2018", "n")


def test_more_exact_or_other_values_are_not_conflicts() -> None:
    full_date = document("On 14 July 2015 in Vienna.", "f")
    spans = [
        span(A, "2015", 3.0),
        span(full_date, "14 July 2015", 2.5),
        span(full_date, "Vienna", 2.0),
    ]
    composed_answer = answer("When was it?", [A, full_date], spans)
    assert (composed_answer.text, composed_answer.documents, composed_answer.conflicts) == (
        "2015",
        2,
        (),
    )
    assert composed_answer.value is not None
    assert (
        composed_answer.value.kind,
        composed_answer.value.iso,
        composed_answer.value.precision,
    ) == ("date", "2015", "year")


def test_a_relative_date_counts_from_its_documents_day() -> None:
    dated = document("He arrived in Oman on Tuesday.", "n", date="2026-02-10")
    composed_answer = answer("When did he arrive?", [dated], [span(dated, "on Tuesday", 3.0)])
    assert composed_answer.text == "on Tuesday"
    assert composed_answer.value is not None
    assert composed_answer.value.iso == "2026-02-10"
    assert composed_answer.value.resolved == '"on Tuesday" in a document of 2026-02-10'
    undated = document("He arrived in Oman on Tuesday.", "n")
    composed_answer = answer("When did he arrive?", [undated], [span(undated, "on Tuesday", 3.0)])
    assert composed_answer.value is None


@settings(max_examples=120)
@given(st.text(min_size=1, max_size=400), st.integers(0, 400), st.integers(1, 40))
def test_every_citation_is_in_its_document(text: str, offset: int, length: int) -> None:
    source = document(text)
    for passage in split_document(source, BagOfWordsEmbedder().count_tokens, 16):
        start = min(offset, len(passage.text) - 1)
        end = min(start + length, len(passage.text))
        citation = cite(Span(Hit(passage, 1.0, 1.0, 1.0), start, end, 1.0), source)
        assert citation is not None
        assert source.text[citation.start : citation.end] == citation.quote
        assert passage.text[start:end] in citation.quote
        assert source.text[citation.sentence_start : citation.sentence_end] == citation.sentence


def test_an_answer_that_points_to_a_section_leads_on_to_it() -> None:
    text = "A fall\n======\n\nCall us. Else see Reports.\n\n2 Reports\n=========\n\nWrite by May."
    falls = document(text, "falls")
    reading = reading_of(falls, [0.1, 0.9, 0.8], question="What after a fall?")
    answer = composed(reading, Ruling(Prefers("run"), 0.5, 3))
    assert answer.text == "Call us. Else see Reports. […] Write by May."
    assert [piece.citation.headings for piece in answer.pieces][-1] == ("2 Reports",)


KILN = (
    "Before firing:\n\n- open the damper;\n- empty the tray;\n- check the cone;\n- latch the lid;\n"
    "- note the hour.\n"
)


@pytest.mark.parametrize("generator", ["run", "items"])
def test_most_items_of_a_list_are_given_with_the_others(generator: str) -> None:
    kiln = document(KILN, "kiln")
    reading = reading_of(kiln, [0.4, 0.9, 0.1, 0.9, 0.9, 0.1], question="What before firing?")
    answer = composed(reading, Ruling(Prefers(generator), 0.5, 3))
    quoted = [piece.text for piece in answer.pieces]
    assert [text.lstrip("- ") for text in quoted] == [
        "Before firing:",
        "open the damper;",
        "empty the tray;",
        "check the cone;",
        "latch the lid;",
        "note the hour.",
    ]


@pytest.mark.parametrize("generator", ["run", "items"])
def test_a_few_items_of_a_list_are_given_alone(generator: str) -> None:
    kiln = document(KILN, "kiln")
    reading = reading_of(kiln, [0.4, 0.9, 0.1, 0.1, 0.9, 0.1], question="What before firing?")
    answer = composed(reading, Ruling(Prefers(generator), 0.5, 3))
    assert len(answer.pieces) == 3


def test_one_sentence_that_a_run_leaves_out_of_a_paragraph_is_given_too() -> None:
    text = "Glaze twice. Never dip. Then wait a day. Sweep up. Close the shed. Fire it.\n\nPay."
    glaze = document(text, "glaze")
    reading = reading_of(glaze, [0.9, 0.1, 0.8, 0.1, 0.1, 0.8, 0.1], question="How is it glazed?")
    answer = composed(reading, Ruling(Prefers("run"), 0.5, 3))
    assert answer.text == "Glaze twice. Never dip. Then wait a day. […] Fire it."


def _verdict(source: Document, quote: str, verdict: YesNo, probability: float) -> Ranked:
    start = source.text.index(quote)
    places = (Place(source.id, start, start + len(quote)),)
    return Ranked(Candidate("yes_no", "yes_no", places, verdict=verdict), probability)


@pytest.mark.parametrize(
    ("form", "rival", "text"),
    [
        ("", 0.53, "Members of the guild fire on Mondays."),
        ("", 0.40, "Yes. Members of the guild fire on Mondays."),
        ("yes_no", 0.53, "Yes. Members of the guild fire on Mondays."),
    ],
)
def test_a_verdict_is_not_given_beside_another_one_that_is_nearly_as_likely(
    form: str, rival: float, text: str
) -> None:
    kiln = document("Members of the guild fire on Mondays. Guests fire in May.", "kiln")
    reading = reading_of(kiln, [0.9, 0.5], question="May I fire on a Monday?")
    ranked = [
        _verdict(kiln, "Members of the guild fire on Mondays.", "yes", 0.54),
        _verdict(kiln, "Guests fire in May.", "no", rival),
    ]
    answer = composed(reading, Ruling(Prefers("yes_no"), 0.5, 3), ranked, form)
    assert (answer.text or "").replace("\n", " ") == text
    assert (answer.verdict is None) == ("Yes" not in text)
    assert answer.confidence == 0.54


@pytest.mark.parametrize(
    ("probability", "opposite", "is_given"),
    [(0.54, 0.3, False), (0.54, 0.1, True), (0.7, 0.3, True)],
)
def test_an_unsure_verdict_is_not_given_where_its_sentence_may_say_the_opposite(
    probability: float, opposite: float, is_given: bool
) -> None:
    kiln = document("The fee is due in full for two weeks.", "kiln")
    reading = reading_of(kiln, [0.9], question="Must I still pay?")
    no = _verdict(kiln, "The fee is due in full for two weeks.", "no", probability)
    read = Verdict(hit_of(kiln), opposite, 0.6, 0.1, 0.0)
    with_proof = replace(reading, proofs={no.candidate.places: read})
    answer = composed(with_proof, Ruling(Prefers("yes_no"), 0.5, 3), [no])
    assert (answer.verdict == "no") is is_given
    assert answer.pieces[0].text == "The fee is due in full for two weeks."


def test_answers_from_one_document_are_given_together() -> None:
    fair = document("The fair is in May. Bring cups. It is in the barn.", "fair")
    notice = document("The fair is in May.", "other")
    when = answer("When?", [notice, fair], [span(fair, "May", 9.0), span(notice, "May", 9.0)])
    where = answer("Where?", [fair], [span(fair, "the barn", 9.0)])
    joint_answer = joint_candidate([where, when])
    assert joint_answer is not None
    assert texts(joint_answer, fair) == ["The fair is in May.", "It is in the barn."]


def test_answers_from_two_documents_are_given_in_the_order_of_the_questions() -> None:
    fair = document("The fair is in May. Bring cups. It is in the barn.", "fair")
    notice = document("The fair is in May.", "other")
    when = answer("When?", [notice], [span(notice, "May", 9.0)])
    where = answer("Where?", [fair], [span(fair, "the barn", 9.0)])
    joint_answer = joint_candidate([when, where])
    assert joint_answer is not None
    assert [place.document_id for place in joint_answer.places] == ["other", "fair"]


def test_one_half_is_given_with_the_question_that_it_answers() -> None:
    fair = document("The fair is in May. Bring cups.", "fair")
    whole = answer("When and where?", [fair], [span(fair, "May", -9.0)])
    when = answer("When?", [fair], [span(fair, "May", 9.0)])
    where = answer("Where?", [fair], [span(fair, "cups", -9.0)])
    assert joint_candidate([when, where]) is None
    half = lone_part(whole, ("When?", "Where?"), [when, where])
    assert half is not None
    assert texts(half, fair) == ["The fair is in May."]
    assert half.places[0].label == "When"
    elsewhere = answer("When and where?", [fair], [span(fair, "cups", 9.0)])
    assert lone_part(elsewhere, ("When?", "Where?"), [when, where]) is None


def test_a_comparison_says_which_side_was_not_found() -> None:
    hire = document("A kayak costs 14 euros an hour. It is red.", "hire")
    reading = reading_of(hire, [0.9, 0.1], question="What is cheaper, a kayak or a canoe?")
    reading = replace(reading, form_odds={"comparison": 0.9, "sentences": 0.1})
    refused = composed(reading, Ruling(Prefers("none"), 0.5, 3))
    assert refused.abstention_reason == 'nothing was found about "a canoe", only about "a kayak"'
    half = composed(reading, Ruling(Prefers("sentence"), 0.5, 3))
    assert (half.text, half.pieces[0].label) == ("A kayak costs 14 euros an hour.", "a kayak")
    with_both_sides = replace(reading, question="What is cheaper, a kayak or a red one?")
    reason = composed(with_both_sides, Ruling(Prefers("none"), 0.5, 3)).abstention_reason or ""
    assert "nothing was found" not in reason


TABLE = """| Item | 2022 | 2023 |
|---|--:|--:|
| Heating | 4,210 | 5,130 |
| Water | 1,180 | 1,240 |
"""


@pytest.mark.parametrize(
    ("question", "is_answered"),
    [
        ("How much did heating cost in 2023?", True),
        ("How much more did heating cost than gardening in 2023?", False),
        ("How much higher was the cost of heating than that of gardening in 2023?", False),
        ("What is the difference between heating and gardening in 2023?", False),
        ("Which item grew most from 2021 to 2023?", False),
    ],
)
def test_one_cell_is_no_difference(question: str, is_answered: bool) -> None:
    (costs,) = load_bytes("costs.md", TABLE)
    composed_answer = answer(question, [costs], [span(costs, "5,130", 3.0)])
    assert (composed_answer.text is not None) == is_answered


@pytest.mark.parametrize(
    ("column", "question"),
    [
        ("Growth", "Which town has the highest growth?"),
        ("Growth", "Which town grew most?"),
        ("Loss of jobs", "Which town had the biggest loss of jobs?"),
        ("Lost matches", "Which town lost the most matches?"),
    ],
)
def test_a_column_may_state_changes(column: str, question: str) -> None:
    table = f"| Town | {column} |\n|---|--:|\n| Sandby | 3.1 |\n| Torrin | 5.4 |\n"
    (towns,) = load_bytes("towns.md", table)
    assert answer(question, [towns], [span(towns, "Torrin", 3.0)]).text == "Torrin"


def test_a_sentence_may_state_a_difference() -> None:
    told = document("Heating cost 3,890 more than water in 2023.", "costs")
    question = "How much more did heating cost than water in 2023?"
    assert answer(question, [told], [span(told, "3,890", 3.0)]).text == "3,890"


@pytest.mark.parametrize(
    ("rows", "unlikely", "probability"),
    [
        (slice(0, 1), slice(0, 1), 0.27),
        (slice(0, 1), slice(1, 2), 0.9),
        (slice(0, 2), slice(0, 1), 0.9),
        (slice(0, 2), slice(0, 2), 0.27),
    ],
)
def test_rows_that_hardly_have_the_asked_figure_are_unlikely(
    rows: slice, unlikely: slice, probability: float
) -> None:
    (costs,) = load_bytes("costs.md", TABLE)
    places = [
        Place(costs.id, block.start, block.end) for block in costs.blocks if block.kind == "row"
    ]
    candidate = Candidate("list", "rows", tuple(places[rows]))
    reading = Reading("What did heating cost in 2023?", [], ReaderOutput([]), {costs.id: costs})
    (entry,) = rank(
        reading,
        Prefers("rows"),
        proposed=[candidate],
        unlikely_rows=places[unlikely],
    )
    assert entry.probability == pytest.approx(probability)


@pytest.mark.parametrize(
    ("other", "probability"),
    [("water", 0.9), ("gardening", 0.18)],
)
def test_rows_without_one_of_the_compared_things_are_no_difference(
    other: str, probability: float
) -> None:
    (costs,) = load_bytes("costs.md", TABLE)
    question = f"How much more did heating cost than {other} in 2023?"
    rows = [block for block in costs.blocks if block.kind == "row"]
    places = tuple(Place(costs.id, row.start, row.end) for row in rows)
    candidate = Candidate("list", "rows", places)
    reading = Reading(question, [], ReaderOutput([]), {costs.id: costs})
    (entry,) = rank(reading, Prefers("rows"), proposed=[candidate])
    assert entry.probability == pytest.approx(probability)
