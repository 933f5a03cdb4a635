from dataclasses import replace

import pytest

from rag.errors import InputError
from rag.filters import Condition, Pages, check_keys, matches, pages, parse
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
def test_invalid_conditions_are_errors(text: str) -> None:
    with pytest.raises(InputError, match="year>=2024"):
        parse(["type=pdf", text])


def test_an_unknown_operator_is_refused() -> None:
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
def test_the_meaning_of_conditions(text: str, holds: bool) -> None:
    dated_document = document("Sardines.", year="2024", date="2024-03-15", author="Ada, Bo")
    assert matches(parse([text]), dated_document) is holds
    assert matches(parse(["year=2024", text]), dated_document) is holds


@pytest.mark.parametrize(
    ("texts", "holds"),
    [
        (["source=docs", "source=notes"], True),
        (["document=notes/b.txt", "document=docs/a.txt"], True),
        (["source=notes", "source=mail"], False),
        (["source=docs", "source=notes", "source!=docs/a.txt"], False),
        (["source=docs", "source=notes", "year=2023"], False),
        (["source=docs", "document=notes/b.txt"], False),
    ],
)
def test_one_of_several_sources_is_enough(texts: list[str], holds: bool) -> None:
    assert matches(parse(texts), document("Sardines.", year="2024")) is holds


@pytest.mark.parametrize(
    ("texts", "span"),
    [
        (["page=3"], (3, 3)),
        (["page:3"], (3, 3)),
        (["page>=2", "page<5"], (2, 4)),
        (["page>2"], (3, 10**9)),
        (["page<=2", "type=pdf"], (1, 2)),
        (["page=0"], (1, 0)),
        (["page=3", "page=4"], (4, 3)),
    ],
)
def test_pages_as_people_write_them(texts: list[str], span: tuple[int, int]) -> None:
    assert pages(parse(texts)) == Pages(*span)
    assert pages(parse(["type=pdf"])) is None


@pytest.mark.parametrize("text", ["page!=3", "page=iv", "page>=2.5", "page=", "page>-1"])
def test_invalid_pages_are_errors(text: str) -> None:
    with pytest.raises(InputError, match="page>=2"):
        parse([text])


def test_a_document_has_a_page_or_not() -> None:
    paged_document = replace(document("One two three."), pages=(0, 4, 8))
    texts = ("page=3", "page>=3", "page<2", "page=4", "page>3", "page<1")
    matching = [matches(parse([text]), paged_document) for text in texts]
    assert matching == [*[True] * 3, *[False] * 3]
    assert not matches(parse(["page=1"]), document("It has no pages."))


def test_no_condition_matches_everything() -> None:
    assert matches((), document("Sardines."))


def test_invalid_utf8_is_not_a_filter() -> None:
    with pytest.raises(InputError, match="not valid UTF-8"):
        parse(["author=Caf\udce9"])


@pytest.mark.parametrize("text", ["tpye=pdf", "tpye!=pdf", "yaer>=2024"])
def test_a_key_that_no_document_has_is_an_error_that_lists_the_keys(text: str) -> None:
    keys = frozenset(("year", "author"))
    with pytest.raises(InputError) as error:
        check_keys(parse([text]), lambda: keys)
    assert f"as in the filter {text}" in error.value.message
    assert error.value.hint.endswith("author, document, page, source, title, type, year")
    assert f"did you mean {'type' if 'tpye' in text else 'year'}?" in error.value.hint


def test_known_keys_are_not_looked_up_without_need() -> None:
    def never() -> frozenset[str]:
        raise AssertionError("listed")

    check_keys(parse(["type=pdf", "source:notes", "page>=2", "title=A", "document!=b"]), never)
    check_keys(parse(["year>=2024"]), lambda: frozenset(("year",)))
