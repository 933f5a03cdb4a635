"""Verbatim quotations are supported without a model, and nothing else is."""

from __future__ import annotations

import pytest

from rag.claims.checker import Checker
from rag.claims.comparison import compare, is_quoted
from rag.claims.results import CONTRADICTED, NOT_CHECKABLE, SUPPORTED
from rag.claims.verdict import QUOTED
from tests.claims.parts import MODELS, engine

SAID = "China, Iran and Russia do not recognise the snapback, and they hold that it is void."
TEXTS = {
    "snapback.md": SAID,
    "mogherini.md": "# Federica Mogherini\n\nShe announced the deal in Lausanne with the minister.",
    "rumour.md": "Some claimed that the plant at Natanz was moved to Fordow by night.",
}


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(engine(tmp_path_factory.mktemp("index"), TEXTS), MODELS)


@pytest.mark.parametrize(
    ("claim", "quoted"),
    [
        (SAID, True),
        ("China, Iran, and Russia do not recognise snapback.", True),
        ("They hold that it is void.", False),  # its context is a denial
        ("China, Iran and Russia recognise the snapback.", False),
        ("Iran and China do not recognise the snapback.", False),
        ("It is void.", False),
    ],
)
def test_a_quotation_is_one_run_of_words(claim: str, quoted: bool) -> None:
    assert is_quoted(claim, SAID) is quoted


def test_words_attributed_to_others_are_not_a_quotation() -> None:
    assert not is_quoted("The plant at Natanz was moved to Fordow by night.", TEXTS["rumour.md"])


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SAID, SUPPORTED),
        ("She announced the deal in Lausanne with the minister.", SUPPORTED),
        ("She announced the deal.", NOT_CHECKABLE),
        ("China, Iran and Russia recognise the snapback, and they hold that it is void.", None),
    ],
)
def test_a_sentence_is_looked_up_before_it_is_split(
    checker: Checker, text: str, verdict: str | None
) -> None:
    (found,) = checker.check(text).sentences
    assert found.verdict == verdict if verdict else found.verdict != SUPPORTED
    if verdict == SUPPORTED:
        assert found.evidence[0].citation.quote == text


def test_a_quotation_about_another_person_is_checked_by_meaning(checker: Checker) -> None:
    text = "Hans Blix led the agency. She announced the deal in Lausanne with the minister."
    assert checker.check(text).sentences[1].verdict != CONTRADICTED
    assert checker.check(text).sentences[1].confidence < QUOTED


@pytest.mark.parametrize(
    ("claim", "evidence", "denied"),
    [
        ("It never went to the Senate.", "It is not a treaty, so it never went there.", False),
        ("It was sent to the Senate.", "It is not a treaty, so it was never sent there.", True),
        ("It was not enriched beyond 3 %.", "The level was capped at 3 percent.", False),
        ("Iran enriched no more than 3 %.", "Iran enriched at most 3 %.", False),
        ("Iraq had not hidden a plan.", "Iraq had hidden a plan.", True),
        ("Only Iraq had not hidden a plan.", "Only Iraq had hidden a plan.", True),
    ],
)
def test_a_denial_applies_to_its_own_clause(claim: str, evidence: str, denied: bool) -> None:
    assert compare(claim, evidence).denied is denied


def test_a_date_that_is_less_exact_does_not_contradict() -> None:
    found = compare("The agency was founded on 29 July 1957.", "The agency was founded in 1957.")
    assert (found.differs, found.missing) == ((), ("29 July 1957",))
