from __future__ import annotations

import pytest

from rag.errors import InputError
from rag.filters import Condition, matches, parse
from tests.fakes import document


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("type=pdf", Condition("type", "=", "pdf")),
        ("type:.PDF", Condition("type", "=", "pdf")),
        (" year >= 2024 ", Condition("year", ">=", "2024")),
        ("author!=Ada L.", Condition("author", "!=", "Ada L.")),
        ("date<2024-06", Condition("date", "<", "2024-06")),
        ("source:https://x/y?a=b", Condition("source", "=", "https://x/y?a=b")),
        ("path:docs/a.txt", Condition("source", "=", "docs/a.txt")),
        ("topic=", Condition("topic", "=", "")),
        ("draws on=x>y", Condition("draws on", "=", "x>y")),
    ],
)
def test_conditions_as_people_write_them(text: str, condition: Condition) -> None:
    assert parse([text]) == (condition,)


@pytest.mark.parametrize("text", ["", "type", "=pdf", " =pdf", "year>=soon", "year<", "year>>2024"])
def test_what_is_no_condition_is_said(text: str) -> None:
    with pytest.raises(InputError, match="year>=2024"):
        parse(["type=pdf", text])


def test_an_operator_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="operator"):
        Condition("year", "~", "2024")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("year>=2024", True),
        ("year>2024", False),
        ("year<10000", True),
        ("year<=2024.0", True),
        ("date>=2024-03", True),
        ("date>2024-03", False),
        ("date<=2024-03", True),
        ("date<2024-03-16", True),
        ("date>2023", True),
        ("date<2024", False),
        ("author=Ada", True),
        ("author=Ada, Bo", True),
        ("author=Ad", False),
        ("author>1", False),
        ("author!=Cy", True),
        ("none!=x", True),
        ("none=x", False),
        ("none<2", False),
        ("source:docs", True),
        ("source:/docs/", True),
        ("source:docs/a.txt", True),
        ("source:doc", False),
        ("source!=docs", False),
        ("document=docs/a.txt", True),
        ("document=docs", False),
        ("title=A", True),
    ],
)
def test_what_conditions_mean(text: str, holds: bool) -> None:
    known = document("Sardines.", year="2024", date="2024-03-15", author="Ada, Bo")
    assert matches(parse([text]), known) is holds
    assert matches(parse(["year=2024", text]), known) is holds


def test_no_condition_holds_for_all() -> None:
    assert matches((), document("Sardines."))
