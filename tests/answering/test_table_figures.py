"""Figures that tables answer: by label, the largest, changes, and what is computed from cells."""

import functools
from dataclasses import replace
from typing import Any

import pytest

from rag import build
from rag.answering.candidate import Candidate, said
from rag.answering.computed import computation
from rag.answering.table_figures import calibrated, figure_findings
from rag.answering.table_lines import extreme_item, groups_of, groups_to_choose, lines_of
from rag.answering.table_matcher import Matcher
from rag.answering.table_questions import TableQuestion, table_question
from rag.desk.proof import check_answer
from rag.facts import tables
from rag.meaning.periods import periods
from rag.settings import Settings
from rag.types import Answer, Document
from tests.parsing.reading import load_bytes

HEAD = "<tr><td></td><th>2024</th><th>2023</th></tr>"
REPORT = f"""# Tolland Bakeries annual report 2024

## Income statement

(in millions of euros)

<table>
{HEAD}
<tr><td>Revenue</td><td>5,466</td><td>4,587</td></tr>
<tr><td>Cost of flour</td><td>(1,204)</td><td>(1,310)</td></tr>
<tr><td>Advertising</td><td>88</td><td>—</td></tr>
<tr><td>Operating result</td><td>(14)</td><td>75</td></tr>
<tr><td>Number of employees</td><td>3,120</td><td>3,004</td></tr>
</table>

## Sales by segment

(in millions of euros)

<table>
{HEAD}
<tr><td>Bread</td><td>3,020</td><td>2,400</td></tr>
<tr><td>Cakes</td><td>1,830</td><td>1,690</td></tr>
<tr><td>Biscuits</td><td>616</td><td>497</td></tr>
<tr><td>Total sales</td><td>5,466</td><td>4,587</td></tr>
</table>
"""
PROFITS = f"""
## Profit by region

(in millions of euros)

<table>
{HEAD}
<tr><td>North</td><td>310</td><td>240</td></tr>
<tr><td>South</td><td>(75)</td><td>90</td></tr>
</table>
"""


@pytest.fixture(scope="module")
def report() -> Document:
    (page,) = load_bytes("tolland.md", REPORT)
    return page


@functools.cache
def matcher() -> Matcher:
    """The shipped model, with the embedder that it was fitted to."""
    return Matcher.shipped(build.embedder(Settings()).embed_passages)


def proposed(report: Document, question: str) -> Candidate | None:
    parsed = table_question(question)
    candidates = figure_findings(parsed, [report], matcher()).candidates if parsed else ()
    return candidates[0] if candidates else None


def answer(report: Document, question: str) -> Answer:
    candidate = proposed(report, question)
    assert candidate is not None
    words = said(candidate, {report.id: report})
    return Answer(
        question=question,
        text=words.text,
        confidence=candidate.probability or 0.0,
        citations=words.citations,
        alternatives=(),
        hits=(),
        abstention_reason=None,
        timings={},
        value=words.value,
        form=candidate.form,
        pieces=words.pieces,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What was Tolland's revenue in 2024?", "5,466"),
        ("What was Tolland's top line in 2024?", "5,466"),
        ("How many people worked for Tolland in 2023?", "3,004"),
        ("What was Tolland's revenue in 2023?", "4,587"),
        ("What was the cost of flour in 2023?", "(1,310)"),
    ],
)
def test_a_figure_is_found_by_its_label_and_period(
    report: Document, question: str, text: str
) -> None:
    assert answer(report, question).text == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "question",
    [
        "What was Tolland's revenue in 2022?",
        "What was the revenue of Meyer Mills in 2024?",
        "What was Tolland's revenue in the second quarter of 2024?",
        "What was the cost of sugar in 2024?",
        "What was the cost of flour in Austria in 2024?",
        "What was the top line of Meyer Mills in 2024?",
        "What was Tolland's top line in 2021?",
        "How much income tax did Tolland pay in 2024?",
        "What was Tolland's revenue?",
        "Who bakes the bread?",
    ],
)
def test_another_figure_is_never_given(report: Document, question: str) -> None:
    assert proposed(report, question) is None


@pytest.mark.slow
def test_the_largest_is_a_label_that_quotes_the_cells(report: Document) -> None:
    largest = answer(report, "Which segment had the lowest sales in 2024?")
    assert largest.text == "Biscuits"
    quotes = [citation.quote for citation in largest.citations]
    assert quotes == ["Biscuits", "616", "3,020", "1,830"]
    assert largest.citations[1].sentence == "Biscuits | 2024: 616 | 2023: 497"
    assert answer(report, "Which segment had the highest sales in 2023?").text == "Bread"


@pytest.mark.slow
def test_a_row_is_no_period(report: Document) -> None:
    assert answer(report, "Which segment had the highest sales in 2024?").text == "Bread"
    assert proposed(report, "Which quarter had the highest segment sales in 2024?") is None


def test_a_change_is_yes_or_no_with_the_row(report: Document) -> None:
    grew = answer(report, "Did Tolland's revenue increase from 2023 to 2024?")
    assert (grew.text, grew.form) == ("Yes. Revenue | 2024: 5,466 | 2023: 4,587", "yes_no")
    costs = answer(report, "Did the cost of flour increase in 2024?")
    assert (costs.text or "").startswith("No. ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "question",
    [
        "Did the operating result increase from 2023 to 2024?",
        "By how much did advertising increase in 2024?",
        "What were the number of employees and revenue together in 2024?",
    ],
)
def test_what_does_not_compare_is_refused(report: Document, question: str) -> None:
    assert proposed(report, question) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text", "number", "unit"),
    [
        (
            "By how much did Tolland's revenue increase in 2024?",
            "5,466 − 4,587 = 879 million EUR",
            879e6,
            "EUR",
        ),
        (
            "By how much did Tolland's revenue grow in 2024, in percent?",
            "(5,466 − 4,587) ÷ 4,587 = 19.2%",
            19.2,
            "percent",
        ),
        (
            "What were sales of bread and cakes together in 2024?",
            "3,020 + 1,830 = 4,850 million EUR",
            4850e6,
            "EUR",
        ),
    ],
)
def test_what_is_computed_says_so_and_cites_each_cell(
    report: Document, question: str, text: str, number: float, unit: str
) -> None:
    computed = answer(report, question)
    assert computed.text == f"{text}, computed from two cells"
    assert computed.value is not None
    assert (computed.value.kind, computed.value.text) == ("computed", text)
    assert (computed.value.number, computed.value.unit) == (number, unit)
    for citation in computed.citations:
        assert report.text[citation.start : citation.end] == citation.quote
    assert len(computed.citations) == len(computed.pieces) == 2


HOUSE = """# Costs of the Quay Lane house

The figures are in pounds sterling (£).

| Item | 2022 | 2023 |
|---|--:|--:|
| Heating | 4,210 | 5,130 |
| Water | 1,180 | 1,240 |
| Repairs | 2,960 | 2,705 |
| Total | 8,350 | 9,075 |
"""
WORKS = """# Quay Lane works

<table>
<tr><th>Measure</th><th>2022</th><th>2023</th></tr>
<tr><td>Electricity (MWh)</td><td>3,410</td><td>3,655</td></tr>
<tr><td>Waste (tonnes)</td><td>212</td><td>198</td></tr>
<tr><td>Visitors at Leeds</td><td>140</td><td>180</td></tr>
<tr><td>Visitors at Hull</td><td>95</td><td>60</td></tr>
</table>
"""


@pytest.fixture(scope="module")
def house() -> Document:
    (page,) = load_bytes("house.md", HOUSE)
    return page


@pytest.fixture(scope="module")
def works() -> Document:
    (page,) = load_bytes("works.md", WORKS)
    return page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How much more did heating cost than water in 2023?", "5,130 − 1,240 = 3,890 GBP"),
        ("How much less did water cost than heating in 2023?", "5,130 − 1,240 = 3,890 GBP"),
        ("What is the difference between water and repairs in 2022?", "2,960 − 1,180 = 1,780 GBP"),
        (
            "What is the difference in costs between water and repairs in 2022?",
            "2,960 − 1,180 = 1,780 GBP",
        ),
    ],
)
def test_two_rows_of_a_period_are_subtracted(house: Document, question: str, text: str) -> None:
    assert answer(house, question).text == f"{text}, computed from two cells"


@pytest.mark.slow
@pytest.mark.parametrize(
    "question",
    [
        "How much more did heating cost than water in 2021?",
        "How much more did heating cost than gardening in 2023?",
        "How much more did heating cost than water in 2023 than in 2022?",
        "How much more in percent did heating cost than water in 2023?",
    ],
)
def test_rows_or_periods_that_no_table_has_are_not_subtracted(
    house: Document, question: str
) -> None:
    assert proposed(house, question) is None


def test_rows_of_different_units_are_not_subtracted(works: Document) -> None:
    (table,) = tables(works)
    electricity, waste, leeds, hull = (row.facts[-1] for row in table.rows)
    assert computation("difference", [electricity, waste]) is None
    result = computation("difference", [leeds, hull])
    assert result is not None
    assert result.text == "180 − 60 = 120"


class Shelf:
    """Documents by id."""

    def __init__(self, *documents: Document) -> None:
        self._documents = {document.id: document for document in documents}

    def document(self, document_id: str) -> Document | None:
        return self._documents.get(document_id)


def edited(report: Document, text: str, replacement: str) -> Document:
    (page,) = load_bytes("tolland.md", REPORT.replace(text, replacement))
    return replace(page, id=report.id)


@pytest.mark.slow
def test_a_computed_value_is_computed_again(report: Document) -> None:
    computed = answer(report, "By how much did Tolland's revenue increase in 2024?").to_dict()
    assert check_answer(computed, Shelf(report)).holds
    forged: dict[str, Any] = {**computed, "value": {**computed["value"], "number": 880e6}}
    check = check_answer(forged, Shelf(report))
    assert not check.holds
    assert "879" in check.faults[0]
    scaled = edited(report, "(in millions of euros)", "(in thousands of euros)")
    assert not check_answer(computed, Shelf(scaled)).holds


@pytest.mark.parametrize(
    ("question", "operation", "is_in_percent"),
    [
        ("Which bakery grew most in 2024?", "rose_most", False),
        ("Which bakery grew fastest in 2024?", "rose_most", True),
        ("Which shop had the largest increase in sales in 2024?", "rose_most", False),
        ("Which shop had the biggest percentage drop in sales in 2024?", "fell_most", True),
        ("Which of the shops lost the most staff from 2023 to 2024?", "fell_most", False),
    ],
)
def test_the_largest_change_is_not_the_largest_figure(
    question: str, operation: str, is_in_percent: bool
) -> None:
    parsed = table_question(question)
    assert parsed is not None
    assert (parsed.operation, parsed.is_in_percent) == (operation, is_in_percent)


@pytest.mark.parametrize(
    "question",
    [
        "Which of the shops lost the most in 2024?",
        "Which shop had the smallest increase in sales in 2024?",
        "Which shop changed most in 2024?",
        "Which shop had the largest loss in 2024?",
    ],
)
def test_a_change_without_one_direction_is_refused(question: str) -> None:
    assert table_question(question) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "Which segment's sales grew most from 2023 to 2024?",
            "Bread: 3,020 − 2,400 = 620 million EUR",
        ),
        (
            "Which segment's sales grew the most in 2024, in percent?",
            "Bread: (3,020 − 2,400) ÷ 2,400 = 25.8%",
        ),
        (
            "Which region had the biggest drop in profit from 2023 to 2024?",
            "South: 90 − −75 = 165 million EUR",
        ),
    ],
)
def test_what_changed_most_is_a_label_with_its_change(question: str, text: str) -> None:
    (report,) = load_bytes("tolland.md", REPORT + PROFITS)
    changed = answer(report, question)
    assert changed.text == f"{text}, computed from two cells"
    assert changed.value is not None
    assert changed.value.kind == "computed"
    assert check_answer(changed.to_dict(), Shelf(report)).holds
    assert len(changed.citations) == 2


CROPS = """# Harvest of Rowan Farm

| Crop (tonnes) | 2022 | 2023 |
|---|--:|--:|
| Wheat | 790 | 905 |
| Oats | 131 | 188 |
| Peas | 72 | 61 |
| Total | 993 | 1,154 |
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| 188 |", "| 246 |"),
        ("| 188 |", "| – |"),
        ("| 188 |", "| £188 |"),
        ("| Oats |", "| Oats (sacks) |"),
        ("| Peas |", "| Subtotal | 921 | 1,093 |\n| Peas |"),
        ("# Harvest", "# Growth of the harvest"),
    ],
)
def test_an_unclear_largest_change_is_refused(old: str, new: str) -> None:
    question = table_question("Which crop grew most from 2022 to 2023?")
    assert question is not None
    (clear,) = load_bytes("farm.md", CROPS)
    assert winners(clear, question) == ["Wheat"]
    (unclear,) = load_bytes("farm.md", CROPS.replace(old, new))
    assert winners(unclear, question) == []


def winners(document: Document, question: TableQuestion) -> list[str]:
    """The label that each group of a document gives."""
    items = [extreme_item(group, question) for group in groups_of(lines_of(document), question)]
    return [item.label for item in items if item]


LAKES = """# Boating lakes

| Lake | Depth (m) | Boats for hire | Day permit (£) | Season permit (£) |
|---|--:|--:|--:|--:|
| Kell Water | 31 | 24 | 6.50 | 48.00 |
| Dunmere | 12 | 40 | 4.00 | 52.00 |
| Ashby Pool | 5 | 3 | 2.50 | 30.00 |
"""
ROOMS = """# Rooms of the harbour house

| Room | Seats | Price per day | Keys |
|---|--:|--:|--:|
| Alder | 12 | 90 | 4 |
| Birch | 20 | 140 | 2 |
| Dogwood | 32 | 260 | 3 |
| Fir | 6 | free | 1 |
"""
FEES = """# Rowing club

| Membership | Fee (£) |
|---|--:|
| Junior | 20 |
| Adult | 65 |
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "question", "text"),
    [
        (LAKES, "What is the depth of Kell Water?", "31"),
        (LAKES, "How many boats can you hire at Dunmere?", "40"),
        (LAKES, "Which lake has the lowest day permit?", "Ashby Pool"),
        (LAKES, "Which lake has the highest season permit?", "Dunmere"),
        (LAKES, "Which lake has the highest permit?", None),
        (LAKES, "Which lake has the lowest day permit for children?", None),
        (LAKES, "What is the temperature of Kell Water?", None),
        (LAKES, "What is the depth of Tarn Water?", None),
        (LAKES, "Who owns Kell Water?", None),
        (LAKES, "Which lake has the most visitors?", None),
        (
            LAKES,
            "What is the difference in depth between Kell Water and Dunmere?",
            "31 − 12 = 19, computed from two cells",
        ),
        (LAKES, "What is the difference in depth between Kell Water and Tarn Water?", None),
        (FEES, "Which membership has the lowest fee?", "Junior"),
        (FEES, "Which membership has the most members?", None),
        (FEES, "Which boat has the lowest fee?", None),
        (ROOMS, "Which room has the most keys?", "Alder"),
        (ROOMS, "Which room has the most seats?", None),  # 32 may be the sum of the rows above
        (ROOMS, "Which room has the fewest seats?", None),
        (ROOMS, "Which room has the lowest price?", None),  # one is free
        (HOUSE, "What was the cost of heating?", None),
        (HOUSE, "Which item has the highest cost?", None),
    ],
)
def test_a_table_without_periods_has_its_column_chosen_by_words(
    page: str, question: str, text: str | None
) -> None:
    (document,) = load_bytes("page.md", page)
    candidate = proposed(document, question)
    words = said(candidate, {document.id: document}).text if candidate else None
    assert words == text


def test_a_question_for_either_direction_has_no_verdict() -> None:
    for question in ("Did wages rise or fall in 2024?", "Were sales lower or higher in 2024?"):
        parsed = table_question(question)
        assert parsed is not None
        assert parsed.operation == "direction"
    sold_more = table_question("Did the shop sell more in 2024 than in the year before?")
    assert sold_more is not None
    assert sold_more.operation == "up"


@pytest.mark.slow
def test_either_direction_is_the_one_that_happened(report: Document) -> None:
    costs = answer(report, "Did the cost of flour rise or fall in 2024?")
    assert costs.form == "span"
    assert (costs.text or "").startswith("fell: 1,310 − 1,204 = 106 million EUR")


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("What cost the most in 2024?", []),
        ("Which segment had the largest sales in 2024?", ["Bread"]),
        ("Which region had the highest profit in 2024?", ["North"]),
        ("Which region had the lowest profit in 2024?", ["South"]),
    ],
)
def test_figures_of_both_signs_are_compared_if_they_measure_one_thing(
    question: str, items: list[str]
) -> None:
    (report,) = load_bytes("tolland.md", REPORT + PROFITS)
    parsed = table_question(question)
    assert parsed is not None
    groups = groups_to_choose(parsed, lines_of(report))
    mixed_or_sales = [
        group
        for group in groups
        if group.has_both_signs or "Sales by segment" in group.line.table.name
    ]
    chosen = [extreme_item(group, parsed) for group in mixed_or_sales]
    labels = [item.label for item in chosen if item]
    assert [label for label in items if label not in labels] == []
    assert not {"Revenue", "Cost of flour"} & set(labels)


def test_a_question_has_an_operation_and_periods() -> None:
    change = table_question("Did rent rise from 2022 to 2023?")
    assert change is not None
    assert (change.operation, [sorted(p.years) for p in change.targets]) == (
        "up",
        [["2023"], ["2022"]],
    )
    season = table_question("What was rent in 2023/24?")
    assert season is not None
    assert season.targets == (periods("What was rent in 2023/24?"),)
    assert table_question("What was rent in 2021, 2022 and 2023?") is None


@pytest.mark.parametrize(
    ("question", "days", "quarters", "months"),
    [
        ("How much stock was there in August 2025?", {"2025-08"}, set(), set()),
        ("What was owed in mid-2025?", {"2025-06"}, set(), set()),
        ("What was turnover in the year to March 2024?", {"2024-03"}, set(), {"12"}),
        ("What were sales in the last quarter of 2023?", set(), {"4"}, {"3"}),
        ("What were sales from July to September 2023?", {"2023-09"}, {"3"}, {"3"}),
        ("How much came in from January through June 2023?", {"2023-06"}, set(), {"6"}),
        ("What was capex in 9M 2023?", set(), set(), {"9"}),
    ],
)
def test_periods_in_everyday_words(
    question: str, days: set[str], quarters: set[str], months: set[str]
) -> None:
    understood = table_question(question)
    assert understood is not None
    (target,) = understood.targets
    assert [set(kind) for kind in (target.days, target.quarters, target.months)] == [
        days,
        quarters,
        months,
    ]


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        (
            "What was the FY2022 capex of Ferrum (in USD millions)? Rely on the statement of cash"
            " flows.",
            "What was the FY2022 capex of Ferrum?",
        ),
        (
            "According to the balance sheet, what were Ferrum's total assets in 2022?",
            "what were Ferrum's total assets in 2022?",
        ),
        ("Ferrum: What were total assets in 2022?", "Ferrum: What were total assets in 2022?"),
        ("Net income, Ferrum, FY2022", "Net income, Ferrum, FY2022"),
        (
            "How many bars, in tonnes, did Ferrum sell in 2022?",
            "How many bars, in tonnes, did Ferrum sell in 2022?",
        ),
    ],
)
def test_what_introduces_a_question_and_the_unit_it_wants_are_left_out(
    question: str, asked: str
) -> None:
    understood = table_question(question)
    assert understood is not None
    assert understood.text == asked


def test_words_that_begin_a_sentence_and_currencies_are_no_names() -> None:
    understood = table_question(
        "What was the capex of Ferrum Corp in 2022? Answer in USD millions."
    )
    assert understood is not None
    assert understood.names == {"ferrum"}


def test_the_first_page_names_the_company_and_lengths_say_which_quarter_it_is() -> None:
    page = (
        "<h1>Form 10-Q</h1><p>For the quarterly period ended June 30, 2023</p>"
        "<p>Trading symbol: common stock, par value $0.01, FRVL</p>"
        "<p>Ferrum Valley Corporation</p><table><tr><td></td><td>Three months ended June 30, 2023"
        "</td><td>Three months ended June 30, 2022</td><td>Six months ended June 30, 2023</td>"
        "<td>Six months ended June 30, 2022</td></tr><tr><td>Net sales</td><td>410</td><td>398</td>"
        "<td>802</td><td>777</td></tr><tr><td>Gross profit</td><td>150</td><td>141</td><td>290</td>"
        "<td>280</td></tr></table>"
    )
    (document,) = load_bytes("f23.html", page.encode())
    for question, figure in (
        ("What were Ferrum Valley's net sales in Q2 2023?", "410"),
        ("What were Ferrum Valley's net sales from April to June 2023?", "410"),
        ("What were Ferrum Valley's net sales in the first half of 2023?", "802"),
        ("What were Ferrum Valley's net sales in Q1 2023?", None),
        ("What were the net sales of FRVL in Q2 2023?", "410"),
        ("What were Tarn Valley's net sales in Q2 2023?", None),
    ):
        understood = table_question(question)
        assert understood is not None
        proposed = figure_findings(understood, [document], matcher()).candidates
        said_figure = said(proposed[0], {document.id: document}).text if proposed else None
        assert said_figure == figure, question


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What was Ferrum's current ratio at the end of 2022?", "8,102 ÷ 3,796 = 2.13"),
        ("What was Ferrum's working capital at the end of 2022?", "8,102 − 3,796 = 4,306"),
    ],
)
def test_a_measure_that_no_row_states_is_computed_by_its_formula(
    question: str, answer: str
) -> None:
    table = (
        "# Ferrum\n\nBalance sheet | December 31, 2022 | December 31, 2021\n---|---|---\n"
        "Cash | 1,200 | 1,150\nTotal current assets | 8,102 | 7,900\nTotal assets | 20,100"
        " | 19,800\n"
        "Total current liabilities | 3,796 | 3,811\nTotal liabilities | 11,000 | 11,200\n"
    )
    (document,) = load_bytes("ferrum.md", table.encode())
    understood = table_question(question)
    assert understood is not None
    (candidate,) = figure_findings(understood, [document], matcher()).candidates
    assert candidate.text == f"{answer}, computed from two cells"


def test_a_label_is_named_by_its_short_form_and_a_percentage_is_no_sum() -> None:
    table = (
        "# Ferrum\n\nStatement | 2022 | 2021\n---|---|---\nNet sales | 4,100 | 3,900\n"
        "Depreciation and amortization | 992 | 958\nGross margin | 1,640 | 1,520\n"
    )
    (document,) = load_bytes("ferrum.md", table.encode())
    assert answer(document, "What was the D&A of Ferrum in 2022?").text == "992"
    assert answer(document, "What was the gross margin of Ferrum in 2022?").text == "1,640"
    in_percent = proposed(document, "What was the gross margin of Ferrum in percent in 2022?")
    assert in_percent is None or in_percent.value is not None


@pytest.mark.parametrize(
    "question",
    [
        "Why was revenue low in 2024?",
        "Tolland: In which region did revenue come in 2024?",
        "What drove revenue in 2024?",
    ],
)
def test_a_name_or_a_reason_is_no_figure(question: str) -> None:
    assert table_question(question) is None


def test_a_choice_may_be_asked_by_a_noun(report: Document) -> None:
    assert answer(report, "The segment with the lowest sales in 2023?").text == "Biscuits"


def test_a_figure_is_less_likely_where_a_reason_is_asked(report: Document) -> None:
    understood = table_question("What was revenue in 2024?")
    assert understood is not None
    findings = figure_findings(understood, [report], matcher())

    def certainty(odds: dict[str, float]) -> float:
        (candidate,) = calibrated(findings, odds).candidates
        assert candidate.probability is not None
        return candidate.probability

    assert certainty({"sentences": 0.9}) < certainty({}) <= 1
    certain = replace(findings.candidates[0], probability=1.0)
    sure = calibrated(replace(findings, candidates=(certain,)), {})
    assert 0.9 < (sure.candidates[0].probability or 0.0) <= 1


def test_rows_of_the_period_that_mean_something_else_are_unlikely() -> None:
    table = (
        "# Ferrum\n\nCash flows | 2022 | 2021\n---|---|---\nPurchases of equipment | 794 | 610\n"
        "Dividends paid | 3,369 | 3,420\nInterest received | | 12\n\n"
        "Staff | Site\n---|---\nSmelters | Tarn\n"
    )
    (document,) = load_bytes("ferrum.md", table.encode())

    def unlikely(question: str) -> list[str]:
        understood = table_question(question)
        assert understood is not None
        rows = figure_findings(understood, [document], matcher()).unlikely_rows
        return [document.text[row.start : row.end].split(" | ")[0] for row in rows]

    asked = unlikely("What were Ferrum's purchases of equipment in 2022?")
    assert asked == ["Cash flows: Dividends paid"]
    asked = unlikely("What dividends did Ferrum pay in 2022?")
    assert asked == ["Cash flows: Purchases of equipment"]
    assert unlikely("By how much did Ferrum's dividends fall from 2021 to 2022?") == []
