"""Questions over the whole shelf, read as small grids; values, tests and sums."""

import pytest

from rag import build
from rag.answering.shelf import understand
from rag.answering.shelf_kinds import Kinds
from rag.answering.shelf_meaning import (
    TOPICS,
    TopicClassifier,
    understand_in_other_words,
    understand_topic,
)
from rag.answering.shelf_values import (
    Test,
    date_ranges,
    for_each,
    in_one_period,
    total,
    why_not_added,
)
from rag.meaning.values import Surroundings, typed_value
from rag.settings import Settings
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


def understood_as(question: str) -> tuple[str, int, list[str]]:
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
            "What is the price per month? amount rate",
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
            "What is the price per month? amount rate",
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
    assert understood_as(question) == (operation, documents, [column])


def test_a_modifier_is_a_column_of_its_own() -> None:
    _, _, columns = understood_as("Which automatically renewing contracts end in 2026?")
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
        ("from January to March 2027", (("2027-01-01", "2027-03-31"),)),
        ("from january to march 2027", (("2027-01-01", "2027-03-31"),)),
        ("from May 2026", (("2026-05-01", ""),)),
        ("in spring", ()),
        ("in early 2027", ()),
        ("in the first three months of 2027", (("2027-01-01", "2027-03-31"),)),
        ("in the last quarter of 2026", (("2026-10-01", "2026-12-31"),)),
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
        ("at least 90 days", "three months", True),
        ("at least three months", "90 days", True),
        ("more than two months", "60 days", False),
        ("one month or less", "30 days", True),
        ("more than £500", "£640", True),
        ("more than £500", "£500", False),
        ("more than £500", "€640", None),
    ],
)
def test_amounts_pass_or_not(condition: str, stated: str, passes: bool | None) -> None:
    assert Test("amount", condition).passes(typed_value(stated, "amount")) is passes


def test_a_number_is_compared_with_a_figure_whose_unit_its_table_states() -> None:
    weight = typed_value("30", "amount", Surroundings(label="Large", column="Weight (kg)"))
    assert weight is not None
    assert weight.unit == "kilogram"
    assert Test("amount", "more than 20").passes(weight) is True
    assert Test("amount", "more than 20,000 grams").passes(weight) is True
    assert Test("amount", "more than 40").passes(weight) is False
    assert Test("amount", "more than £20").passes(weight) is None


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
        "How many insurances have I got in my house?",
        "How many documents are there?",
        "How many suppliers are there?",
        "Which insurance makes me pay the most of a claim?",
        "Which contracts can I get out of the soonest?",
        "Which lease has the best view?",
        "What do the three leases cost a month together?",
        "Which of the three leases ends first?",
        "Which of the two firms gives the longer guarantee?",
    ],
)
def test_what_no_document_says_of_itself_is_asked_of_none(question: str) -> None:
    assert understand(question, KINDS) is None


@pytest.mark.parametrize(
    ("question", "operation", "column"),
    [
        ("How many leases are there?", "count", "What is the title of the lease? text title"),
        ("how many leases have I got", "count", "What is the title of the lease? text title"),
        ("Which lease is the dearest?", "most", "What is the rent? amount any"),
        ("Which lease is cheaper?", "least", "What is the rent? amount any"),
        ("Which lease lasts longer?", "most", "When does the lease end? date any"),
        (
            "Which of the two leases asks for the longer notice?",
            "most",
            "How much notice does the lease need? number any",
        ),
        (
            "Which lease gives the longer guarantee on the roof?",
            "most",
            "How long is the guarantee on the roof? number any",
        ),
        (
            "What do the two leases cost a month together?",
            "sum",
            "What is the rent per month? amount rate",
        ),
        (
            "Which leases cost more than £2,000 a month?",
            "list",
            "What is the rent per month? amount amount",
        ),
        (
            "Which leases need more than two months' notice?",
            "list",
            "How much notice does the lease need? number amount",
        ),
        ("In which leases may I keep a dog?", "list", "May I keep a dog? yes_no yes"),
        ("Which leases run beyond 2027?", "list", "When does the lease end? date date"),
        ("Which leases are in Norwich?", "list", "Where does the lease name Norwich? text names"),
        (
            "Which leases don't say whether they renew?",
            "list",
            "Does the lease renew? yes_no unsaid",
        ),
        ("Which leases are paid by the year?", "list", "What is the fee per year? amount per"),
        (
            "Which rental agreements allow pets?",
            "list",
            "Does the agreement allow pets? yes_no yes",
        ),
    ],
)
def test_a_question_to_both_leases(question: str, operation: str, column: str) -> None:
    assert understood_as(question) == (operation, 2, [column])


@pytest.mark.parametrize(
    "question",
    [
        "FibreNet or Brightway Cleaning: which has the longer warranty?",
        "Which has the longer warranty, FibreNet or Brightway Cleaning?",
        "Which gives the longer warranty: FibreNet or Brightway Cleaning?",
        "Does FibreNet or Brightway Cleaning give the longer warranty?",
    ],
)
def test_two_named_documents_are_compared_without_than(question: str) -> None:
    assert understood_as(question) == ("most", 2, ["How long is the warranty? number any"])


def test_a_place_is_a_condition_of_its_own() -> None:
    _, _, columns = understood_as("Which leases in Norwich end in 2026?")
    assert columns == [
        "Where does the lease name Norwich? text names",
        "When does the lease end? date date",
    ]


def test_two_firms_are_the_only_two_agreements() -> None:
    names = {"a.md": "Offer of Lumen", "b.md": "Heliotrope: quotation", "c.md": "Travel policy"}
    kinds = Kinds([Document(name, "", title, f"/{name}", "") for name, title in names.items()])
    for question in (
        "Which of the two firms gives the longer guarantee?",
        "Which firm gives the longer guarantee?",
        "Which offer has the longer guarantee?",
        "Lumen or Heliotrope: which has the longer guarantee?",
    ):
        read = understand(question, kinds)
        assert read
        assert read.documents == ("a.md", "b.md")
        assert read.columns[0].question == "How long is the guarantee?"


def test_amounts_for_several_periods_are_converted() -> None:
    monthly, yearly = amounts("£100 per month", "£600 per year")
    assert [value.number for value in in_one_period([monthly, yearly]) if value] == [1200, 600]
    converted = for_each(yearly, "month")
    assert converted
    assert converted.number == 50
    assert Test("amount", "more than £40 a month").passes(yearly) is True
    assert Test("amount", "more than £60 a month").passes(yearly) is False


def test_notice_to_prevent_renewal_is_asked_of_contracts_that_renew() -> None:
    operation, documents, columns = understood_as(
        "Which contracts need three months' notice to prevent renewal?"
    )
    assert (operation, documents) == ("list", 6)
    assert columns == [
        "Does the contract renew automatically? yes_no yes",
        "How much notice does the contract need? number amount",
    ]


def test_a_name_in_other_words_is_the_agreement_that_is_found() -> None:
    documents = [Document(name, "", title, f"/{name}", "") for name, title in NAMES.items()]
    found = {
        "the scrubbers": "shelf/supplier-brightway-cleaning.md",
        "trips": "shelf/policy-travel.md",
    }
    kinds = Kinds(documents, find=found.get)
    cleaning, network = "shelf/supplier-brightway-cleaning.md", "shelf/supplier-fibrenet.md"
    assert kinds.named_all(["the scrubbers", "fibrenet"]) == (cleaning, network)
    assert kinds.named_all(["trips", "fibrenet"]) == ()  # a policy is no agreement
    assert kinds.named_all(["the scrubbers"]) == ()  # one phrase may be a kind of documents


@pytest.mark.parametrize(
    ("question", "topic", "operation", "documents", "column"),
    [
        ("what goes on by itself", "renews", "list", 6, "Does the contract renew automatically?"),
        (
            "how many go on by themselves",
            "renews",
            "count",
            6,
            "Does the contract renew automatically?",
        ),
        ("what is over in 2027", "ends_when", "list", 6, "When does the contract end?"),
        (
            "who wants a fortnight's warning",
            "notice_length",
            "list",
            6,
            "How much notice does the contract need?",
        ),
        ("which place costs most rent", "price_most", "most", 2, "What is the rent per month?"),
        (
            "brightway or fibrenet, who is cheaper",
            "price_least",
            "least",
            2,
            "What is the price per month?",
        ),
    ],
)
def test_a_topic_is_read_in_known_words(
    question: str, topic: str, operation: str, documents: int, column: str
) -> None:
    read = understand_topic(question, topic, KINDS)
    assert read
    assert (read.operation, len(read.documents)) == (operation, documents)
    assert read.columns[-1].question == column


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("what is over soon", "ends_when"),
        ("who wants some warning", "notice_length"),
        ("where can't the price go up", "raises"),
    ],
)
def test_a_topic_without_what_it_needs_is_not_read(question: str, topic: str) -> None:
    assert understand_topic(question, topic, KINDS) is None


def test_a_yes_or_no_of_a_topic_is_asked_in_the_words_of_the_topic() -> None:
    question = "Which suppliers want money before they deliver?"
    read = understand(question, KINDS)
    of_topic = understand_in_other_words(question, "advance", read, KINDS)
    assert of_topic
    column = of_topic.columns[-1]
    assert column.question == "Does the supplier ask for payment in advance?"
    assert "Is the price payable in advance?" in column.rewordings
    assert understand_in_other_words(question, None, read, KINDS) == read


def test_every_topic_is_a_question_that_is_read() -> None:
    for topic, known_question in TOPICS.items():
        filled = known_question.format(
            kind="contracts",
            when="in 2027",
            length="two months",
            limit="more than £50",
            unit="month",
        )
        assert understand(filled, KINDS), topic


def test_the_shipped_topics_know_everyday_wordings() -> None:
    settings = Settings()
    build.prepare(settings)
    topics = TopicClassifier.load()
    questions = {"what keeps on going unless I stop it": "renews", "when is the bin day": None}
    vectors = build.embedder(settings).embed_queries(list(questions))
    for (question, topic), vector in zip(questions.items(), vectors, strict=True):
        assert topics.topic(question, vector) == topic
