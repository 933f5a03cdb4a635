"""Checks of texts against a real index, with a word-matching reader: verdicts, evidence,
citations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.claims.checker import Checker
from rag.claims.evidence import named_document
from rag.claims.results import (
    CONTRADICTED,
    NO_CLAIM,
    NOT_CHECKABLE,
    NOT_FOUND,
    PARTLY,
    SUPPORTED,
    Checked,
    CheckReport,
)
from rag.claims.scorer import Logistic, Scorer
from rag.claims.split import split_claims
from rag.errors import InputError
from tests.claims.parts import MODELS, PLAIN, engine
from tests.fakes import document


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(engine(tmp_path_factory.mktemp("index")), MODELS)


def only(report: CheckReport) -> Checked:
    (found,) = report.sentences
    return found


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The JCPOA was signed in Vienna on 14 July 2015.", SUPPORTED),
        ("The JCPOA was signed in Vienna in 2015.", SUPPORTED),
        ("The JCPOA was signed in Vienna on 14 July 2018.", CONTRADICTED),
        ("The JCPOA was never signed in Vienna on 14 July 2015.", CONTRADICTED),
        ("The stockpile of uranium is capped at 500 kilograms.", CONTRADICTED),
        ("Bananas grow in Ecuador and are eaten everywhere.", NOT_FOUND),
        ("He left the agreement on 8 May 2018.", NOT_CHECKABLE),
    ],
)
def test_verdicts(checker: Checker, text: str, verdict: str) -> None:
    found = only(checker.check(text))
    assert found.verdict == verdict, found
    assert 0 <= found.confidence <= 1


def test_every_quote_is_its_documents_words_at_its_place(checker: Checker) -> None:
    text = "The JCPOA was signed in 2018. Natanz keeps 5,060 centrifuges for ten years."
    store = checker._engine.store
    for one in checker.check(text).sentences:
        assert one.evidence
        for found in one.evidence:
            citation = found.citation
            held = store.document(citation.document_id)
            assert held is not None
            assert held.text[citation.start : citation.end] == citation.quote
            assert held.text[citation.sentence_start : citation.sentence_end] == citation.sentence


def test_a_contradiction_says_both_values(checker: Checker) -> None:
    found = only(checker.check("The JCPOA was signed in Vienna on 14 July 2018."))
    assert found.reason == 'says "14 July 2018", deal.md says "14 July 2015"'
    assert found.evidence[0].says == "contradicts"


def test_the_likeliest_of_two_contradictions_comes_first_and_gives_the_reason(
    tmp_path: Path,
) -> None:
    texts = {
        "near.md": "The JCPOA was signed in Vienna on 14 July 2015.",
        "far.md": "On 3 March 2011 the JCPOA, some papers wrote, was signed in old Vienna.",
    }
    by_likeness = Scorer(PLAIN.supported, Logistic({"likeness": 4.0}, 0.0), 0.5, 0.5)
    checker = Checker(engine(tmp_path, texts), (by_likeness, by_likeness))
    found = only(checker.check("The JCPOA was signed in Vienna on 14 July 2018."))
    assert [one.says for one in found.evidence] == ["contradicts", "contradicts"]
    assert found.evidence[0].probability > found.evidence[1].probability
    assert found.reason == 'says "14 July 2018", near.md says "14 July 2015"'


def test_evidence_that_could_support_a_contradicted_claim_contradicts_it(tmp_path: Path) -> None:
    texts = {
        "near.md": "The JCPOA was signed in Vienna on 14 July 2015.",
        "far.md": "On 3 March 2011 the JCPOA, some papers wrote, was signed in old Vienna.",
    }
    both = Scorer(Logistic({"likeness": -0.5}, 1.0), Logistic({"likeness": 4.0}, 0.0), 0.5, 0.5)
    checker = Checker(engine(tmp_path, texts), (both, both))
    found = only(checker.check("The JCPOA was signed in Vienna on 14 July 2018."))
    assert (found.verdict, found.evidence[0].says) == (CONTRADICTED, "contradicts")
    assert found.reason == 'says "14 July 2018", near.md says "14 July 2015"'


def test_clauses_are_judged_separately(checker: Checker) -> None:
    text = (
        "The United States left the agreement on 8 May 2018, and the moon is made of green cheese."
    )
    found = only(checker.check(text))
    assert (found.verdict, [part.verdict for part in found.parts]) == (
        PARTLY,
        [SUPPORTED, NOT_FOUND],
    )
    assert found.reason == 'no document says "The moon is made of green cheese."'


@pytest.mark.parametrize(("number", "wrong"), [(1, False), (2, True)])
def test_a_right_claim_may_have_a_wrong_citation(
    checker: Checker, number: int, wrong: bool
) -> None:
    text = (
        f"The JCPOA was signed in Vienna on 14 July 2015. [{number}]\n\n[1] deal.md\n[2] "
        f"limits.md > Limits\n"
    )
    found = only(checker.check(text))
    assert (found.verdict, found.wrong_citation) == (SUPPORTED, wrong)
    assert found.reason == ("deal.md says so, [2] does not" if wrong else "deal.md says so")


def test_sources_may_be_given_separately(checker: Checker) -> None:
    text = "The JCPOA was signed in Vienna on 14 July 2015. [7]"
    assert only(checker.check(text, sources={7: "limits.md"})).wrong_citation
    assert not only(checker.check(text, sources={7: "deal.md"})).wrong_citation
    assert not only(checker.check(text)).wrong_citation


def test_a_report_counts_and_picks_failures(checker: Checker) -> None:
    text = (
        "# Title\n\nThe JCPOA was signed in 2018. Is it over? Bananas are yellow fruits of Ecuador."
    )
    report = checker.check(text)
    assert report.counts[NO_CLAIM] == 2
    assert [one.verdict for one in report.failures([CONTRADICTED])] == [CONTRADICTED]
    assert len(report.failures([CONTRADICTED, NOT_FOUND])) == 2


def test_work_runs_in_batches_with_progress(checker: Checker) -> None:
    text = "The stockpile of uranium is capped at 300 kilograms. " * 17
    calls: list[int] = []
    seen: list[tuple[int, int]] = []

    def run(function):  # type: ignore[no-untyped-def]
        calls.append(1)
        return function()

    checker.check(text, on_progress=lambda done, total: seen.append((done, total)), run=run)
    assert seen == [(8, 17), (16, 17), (17, 17)]
    assert len(calls) >= 3


@pytest.mark.parametrize("text", ["", "Is it?", "# Only a heading", "```\ncode\n```"])
def test_a_text_without_claims_is_refused(checker: Checker, text: str) -> None:
    with pytest.raises(InputError, match="contains no claims"):
        checker.check(text)


def test_a_line_of_sources_names_a_document_by_its_longest_name() -> None:
    documents = [document("", "a/deal.md", "The deal"), document("", "b/limits.md", "Limits")]
    assert named_document("deal.md > Signing", documents) == "a/deal.md"
    assert named_document("see Limits, page 3", documents) == "b/limits.md"
    assert named_document("something else", documents) is None
    assert named_document("The ordeal", documents) is None


def test_the_check_reads_claims_as_split(tmp_path: Path) -> None:
    text = "The JCPOA was signed. It is capped."
    assert [p.text for s in split_claims(text).sentences for p in s.parts][
        1
    ] == "The JCPOA is capped."


def test_a_sentence_with_thousands_of_numbers_does_not_hold_the_models(checker: Checker) -> None:
    text = f"Iran kept {', '.join(str(number) for number in range(1000, 5000))} machines."
    seconds: list[float] = []

    def run(work: Callable[[], Any]) -> Any:
        start = time.process_time()
        try:
            return work()
        finally:
            seconds.append(time.process_time() - start)

    checker.check(text, run=run)
    assert max(seconds) < 2


def test_a_check_ends_within_a_batch(checker: Checker) -> None:
    """A deadline is seen before each sentence and passage, not only between batches."""
    calls = 0

    def proceed() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InputError("too late", "try again")

    batches: list[object] = []

    def run(work: Callable[[], Any]) -> Any:
        batches.append(work)
        return work()

    with pytest.raises(InputError, match="too late"):
        checker.check("Iran signed it in 2015. " * 8, run=run, proceed=proceed)
    assert len(batches) == 2  # the sources, and the first sentences
