import pytest

from rag.meaning.identifiers import (
    file_name,
    identifiers,
    identifiers_of_document,
    labelled,
    searched,
)
from rag.types import Passage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What does RFC 9110 say?", {"rfc9110"}),
        ("PO-4711 was paid", {"po4711"}),
        ("the protocol NCT06145295", {"nct06145295"}),
        ("EPA's 2022 report", {"epa2022"}),
        ("the 2022 EPA report", {"epa2022"}),
        ("net sales in Q3 2023", {"2023q3"}),
        ("in the third quarter of fiscal year 2023", {"2023q3"}),
        ("2023 Q3 AAPL", {"2023q3"}),
        ("in 2022, Section 12.3 of Python 3.11 and 5 kg", set()),
    ],
)
def test_an_identifier_has_one_spelling(text: str, expected: set[str]) -> None:
    assert identifiers(text) == expected


def test_what_follows_a_label() -> None:
    text = "Registration: N112ED | Invoice No. A4711, serial number B77X, part #C99Y; D88Z was seen"
    assert labelled(text) == {"n112ed", "a4711", "b77x", "c99y"}


def test_a_document_is_called_by_its_file_and_title() -> None:
    assert identifiers_of_document("reports/2023_Q3_AAPL.pdf", "Form 10-Q") == {"2023q3"}
    assert identifiers_of_document("a/GSA2022.pdf", "RFC 9110") == {"gsa2022", "rfc9110"}
    assert (file_name("a/b.c/2023 Q3.pdf"), file_name("a/README")) == ("2023 Q3", "README")


def test_a_name_is_searched_with_the_passage() -> None:
    passage = Passage(
        "reports/2023 Q3 AAPL.pdf", 0, 9, "Net sales", "Form 10-Q", ("Form 10-Q", "Sales")
    )
    assert searched(passage) == "2023 Q3 AAPL 2023q3\nForm 10-Q > Sales\nNet sales"
    titled = Passage("notes/lease.md", 0, 4, "Text", "The lease", ("The lease",))
    assert searched(titled) == "\nThe lease\nText"
