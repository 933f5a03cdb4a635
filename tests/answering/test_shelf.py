"""Questions over the whole shelf, read as small grids; values, tests and sums."""

import pytest

from rag.answering.shelf import Kinds, understand
from rag.answering.shelf_values import Test, date_ranges, total, why_not_added
from rag.meaning.values import typed_value
from rag.types import Document, Value

NAMES = {
    "shelf/lease-mill-lane.md": "Lease of the mill",
    "shelf/lease-high-street.md": "Office lease: 18 High Street",
    "shelf/supplier-brightway-cleaning.md": "Brightway Cleaning: service agreement",
    "shelf/supplier-fibrenet.md": "FibreNet Business 300",
    "shelf/insurance-albion.md": "Albion Mutual: cyber cover",
    "shelf/insurance-castle.md": "Castle Motor policy",
    "shelf/policy-travel.md": "Travel policy",
    "shelf/policy-holiday.md": "Holiday policy",
}
KINDS = Kinds([Document(name, "", title, f"/{name}", "") for name, title in NAMES.items()])


def asked(question: str) -> tuple[str, int, list[str]]:
    """The operation, the number of documents, and the questions to each with their types."""
    read = understand(question, KINDS)
    assert read
    columns = [f"{column.question} {column.type} {column.test.kind}" for column in read.columns]
    return read.operation, len(read.documents), columns


@pytest.mark.parametrize(
    ("question", "operation", "documents", "column"),
    [
        (
            "Which of my contracts renew automatically?",
            "list",
            6,
            "Does the contract renew automatically? yes_no yes",
        ),
        (
            "Which contracts do not renew automatically?",
            "list",
            6,
            "Does the contract renew automatically? yes_no no",
        ),
        (
            "Do all my contracts renew automatically?",
            "all",
            6,
            "Does the contract renew automatically? yes_no yes",
        ),
        (
            "Are all contracts renewed automatically?",
            "all",
            6,
            "Is the contract renewed automatically? yes_no yes",
        ),
        (
            "Do any of the contracts end in 2026?",
            "any",
            6,
            "When does the contract end? date date",
        ),
        (
            "How many suppliers charge a fixed fee per month?",
            "count",
            2,
            "What is the fixed fee per month? amount per",
        ),
        ("what runs out in 2026", "list", 6, "When does the contract end? date date"),
        ("what am I tied into beyond 2027", "list", 6, "When does the contract end? date date"),
        (
            "where must I give ninety days' warning",
            "list",
            6,
            "How much notice does the contract need? number amount",
        ),
        (
            "which deals can I leave with a month's warning",
            "list",
            6,
            "How much notice does the deal need? number amount",
        ),
        ("Which contracts end in 2026?", "list", 6, "When does the contract end? date date"),
        ("Which lease ends last?", "most", 2, "When does the lease end? date any"),
        (
            "Which insurance has the highest premium?",
            "most",
            2,
            "What is the premium? amount any",
        ),
        (
            "What is the total of the monthly fees of the suppliers?",
            "sum",
            2,
            "What is the monthly fee? amount per",
        ),
        (
            "what do my yearly insurance premiums add up to",
            "sum",
            2,
            "What is the yearly premium? amount per",
        ),
        (
            "FibreNet or Brightway Cleaning, which is cheaper per month?",
            "least",
            2,
            "What is the price per month? amount per",
        ),
        (
            "FibreNet or Brightway Cleaning, which monthly fee is lower?",
            "least",
            2,
            "What is the monthly fee? amount per",
        ),
        (
            "How much more per month does the mill cost than the office in the High Street?",
            "difference",
            2,
            "What is the price per month? amount per",
        ),
        (
            "Which contracts need three months' notice to prevent renewal?",
            "list",
            6,
            "How much notice does the contract need to prevent renewal? number amount",
        ),
        (
            "Which contracts have no end date?",
            "list",
            6,
            "What is the end date of the contract? date unsaid",
        ),
        (
            "Which policies mention taxis?",
            "list",
            3,
            "Where does the policy name taxis? text names",
        ),
    ],
)
def test_a_question_is_read_as_a_column(
    question: str, operation: str, documents: int, column: str
) -> None:
    assert asked(question) == (operation, documents, [column])


def test_a_modifier_is_a_column_of_its_own() -> None:
    _, _, columns = asked("Which automatically renewing contracts end in 2026?")
    assert columns == [
        "Does the contract renew automatically? yes_no yes",
        "When does the contract end? date date",
    ]


@pytest.mark.parametrize(
    "question",
    [
        "When does the lease of the mill end?",
        "How many days of holiday do I have?",
        "Which room has the best view?",
        "Which fruits contain vitamin C?",
        "What is the total of the invoice?",
        "What is the total rent?",
        "What are the total costs?",
        "What is the highest mountain?",
        "Which documents mention taxis?",
        "Do all documents mention taxis?",
        "Do all the fruits contain vitamin C?",
        "Are all rooms taken?",
        "How many files can a program open at once?",
        "How many suppliers?",
        "FibreNet or Brightway Cleaning, which is longer?",
        "Which is bigger, the mill or the office in the High Street?",
        "Which contract?",
        "",
        "Which contracts " + "and " * 200,
    ],
)
def test_a_question_to_one_place_is_not_read_so(question: str) -> None:
    assert understand(question, KINDS) is None


@pytest.mark.parametrize(
    ("words", "ranges"),
    [
        ("in 2026", (("2026-01-01", "2026-12-31"),)),
        ("before 1 October 2026", (("", "2026-09-30"),)),
        ("by the end of 2026", (("", "2026-12-31"),)),
        ("after 2027", (("2028-01-01", ""),)),
        (
            "in October, November or December 2026",
            (
                ("2026-10-01", "2026-10-31"),
                ("2026-11-01", "2026-11-30"),
                ("2026-12-01", "2026-12-31"),
            ),
        ),
        ("between May 2025 and June 2026", (("2025-05-01", "2026-06-30"),)),
        ("in spring", ()),
    ],
)
def test_words_for_days(words: str, ranges: tuple[tuple[str, str], ...]) -> None:
    assert date_ranges(words) == ranges


def test_a_month_that_a_day_divides_is_unsure() -> None:
    up_to_mid_june = Test("date", ranges=date_ranges("before 15 June 2026"))
    assert up_to_mid_june.passes(typed_value("June 2026", "date")) is None
    assert up_to_mid_june.passes(typed_value("May 2026", "date")) is True
    assert up_to_mid_june.passes(typed_value("July 2026", "date")) is False


@pytest.mark.parametrize(
    ("condition", "stated", "passes"),
    [
        ("90 days", "90 days", True),
        ("90 days", "three months", False),
        ("12 months", "one year", True),
        ("14 days", "two weeks", True),
        ("more than £500", "£640", True),
        ("more than £500", "£500", False),
        ("more than £500", "€640", None),
    ],
)
def test_amounts_pass_or_not(condition: str, stated: str, passes: bool | None) -> None:
    assert Test("amount", condition).passes(typed_value(stated, "amount")) is passes


def amounts(*texts: str) -> list[Value]:
    return [value for text in texts if (value := typed_value(text, "amount"))]


def test_amounts_of_one_currency_and_period_are_added() -> None:
    fees = amounts("£640 per month", "£58 per month")
    assert why_not_added(fees) == ""
    assert (total(fees).text, total(fees, sign=-1).text) == ("£698 per month", "£582 per month")


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (("£640", "€58"), "the amounts are in different currencies: EUR, GBP"),
        (
            ("£640 per month", "£58 per year"),
            "the amounts are for different periods: per month, per year",
        ),
        (("£640 to £700", "£58"), "an amount is a range"),
    ],
)
def test_other_amounts_are_not_added(texts: tuple[str, ...], why: str) -> None:
    assert why_not_added(amounts(*texts)) == why


@pytest.mark.parametrize(
    "question",
    [
        "Which policy is cheaper?",
        "Which supplier gives the longer guarantee on the work?",
        "How many leases are there?",
        "How many policies do I have?",
    ],
)
def test_what_no_document_says_of_itself_is_asked_of_none(question: str) -> None:
    assert understand(question, KINDS) is None
