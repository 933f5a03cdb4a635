"""Checks of texts against a real index, with a word-matching reader: verdicts, evidence,
citations.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.answering.judge import Logistic
from rag.claims.checker import Checker
from rag.claims.document_names import DocumentNames
from rag.claims.results import Checked, CheckReport
from rag.claims.scorer import Scorer
from rag.errors import InputError
from rag.models.reader import ExtractiveReader
from tests import tiny
from tests.claims.parts import MODELS, PLAIN, engine
from tests.fakes import document


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(engine(tmp_path_factory.mktemp("index")), MODELS)


def only_sentence(report: CheckReport) -> Checked:
    (sentence,) = report.sentences
    return sentence


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The JCPOA was signed in Vienna on 14 July 2015.", "supported"),
        ("The JCPOA was signed in Vienna in 2015.", "supported"),
        ("The JCPOA was signed in Vienna on 14 July 2018.", "contradicted"),
        ("The JCPOA was never signed in Vienna on 14 July 2015.", "contradicted"),
        ("The stockpile of uranium is capped at 500 kilograms.", "contradicted"),
        ("Bananas grow in Ecuador and are eaten everywhere.", "not_in_documents"),
        ("He left the agreement on 8 May 2018.", "not_checkable"),
    ],
)
def test_verdicts(checker: Checker, text: str, verdict: str) -> None:
    report = checker.check(text)
    sentence = only_sentence(report)
    assert sentence.verdict == verdict, sentence
    assert 0 <= sentence.confidence <= 1
    for citation in (evidence.citation for evidence in sentence.evidence):
        document = checker._engine.store.document(citation.document_id)
        assert document is not None
        assert document.text[citation.start : citation.end] == citation.quote
        sentence_text = document.text[citation.sentence_start : citation.sentence_end]
        assert sentence_text == citation.sentence


def test_a_myth_does_not_support_a_claim(tmp_path: Path) -> None:
    text = "Myth: Camels store water in their humps. Fact: Humps are fat."
    checker = Checker(engine(tmp_path, {"camels.md": text}), MODELS)
    sentence = only_sentence(checker.check("Camels store water in their humps."))
    assert (sentence.verdict, sentence.evidence[0].says) == ("contradicted", "contradicts")
    assert sentence.evidence[0].citation.sentence == "Myth: Camels store water in their humps."


LIKENESS = Logistic({"likeness": 4.0}, 0.0)


@pytest.mark.parametrize(
    "supported", [PLAIN.supported, Logistic({"likeness": -0.5}, 1.0)], ids=["plain", "both"]
)
def test_the_likeliest_contradiction_is_the_reason(tmp_path: Path, supported: Logistic) -> None:
    """Evidence that could also support a contradicted claim contradicts it."""
    texts = {
        "near.md": "The JCPOA was signed in Vienna on 14 July 2015.",
        "far.md": "On 3 March 2011 the JCPOA, some papers wrote, was signed in old Vienna.",
    }
    scorer = Scorer(supported, LIKENESS, 0.5, 0.5)
    checker = Checker(engine(tmp_path, texts), (scorer, scorer))
    sentence = only_sentence(checker.check("The JCPOA was signed in Vienna on 14 July 2018."))
    assert (sentence.verdict, sentence.evidence[0].says) == ("contradicted", "contradicts")
    assert sentence.reason == 'says "14 July 2018", near.md says "14 July 2015"'
    probabilities = [
        evidence.probability for evidence in sentence.evidence if evidence.says == "contradicts"
    ]
    assert probabilities == sorted(probabilities, reverse=True)


def test_clauses_are_judged_separately(checker: Checker) -> None:
    text = (
        "The United States left the agreement on 8 May 2018, and the moon is made of green cheese."
    )
    sentence = only_sentence(checker.check(text))
    assert sentence.verdict == "partly"
    assert [part.verdict for part in sentence.parts] == ["supported", "not_in_documents"]
    assert sentence.reason == 'no document says "The moon is made of green cheese."'


@pytest.mark.parametrize(("number", "wrong"), [(1, False), (2, True)])
def test_a_right_claim_may_cite_wrongly(checker: Checker, number: int, wrong: bool) -> None:
    listed = "[1] deal.md\n[2] limits.md > Limits\n"
    text = f"The JCPOA was signed in Vienna on 14 July 2015. [{number}]\n\n{listed}"
    sentence = only_sentence(checker.check(text))
    assert (sentence.verdict, sentence.wrong_citation) == ("supported", wrong)
    assert sentence.reason == ("deal.md says so, [2] does not" if wrong else "deal.md says so")
    unlisted, sources = text.partition("\n")[0], {number: ["deal.md", "limits.md"][number - 1]}
    assert only_sentence(checker.check(unlisted, sources=sources)).wrong_citation is wrong
    assert not only_sentence(checker.check(unlisted)).wrong_citation


def timed(seconds: list[float]) -> Callable[[Callable[[], Any]], Any]:
    """Runs work, and adds the CPU seconds that it took."""

    def run(task: Callable[[], Any]) -> Any:
        start = time.process_time()
        try:
            return task()
        finally:
            seconds.append(time.process_time() - start)

    return run


def test_work_runs_in_batches_with_progress(checker: Checker) -> None:
    text = "The stockpile of uranium is capped at 300 kilograms. " * 17
    seconds: list[float] = []
    progress: list[tuple[int, int]] = []
    checker.check(text, on_progress=lambda *counts: progress.append(counts), run=timed(seconds))
    assert progress == [(8, 17), (16, 17), (17, 17)]
    assert len(seconds) >= 3


def test_a_sentence_with_thousands_of_numbers_does_not_hold_the_models(checker: Checker) -> None:
    text = f"Iran kept {', '.join(str(number) for number in range(1000, 5000))} machines."
    seconds: list[float] = []
    checker.check(text, run=timed(seconds))
    assert max(seconds) < 2


@pytest.mark.parametrize(
    "text", ["Iran signed it in 2015. ", "“Natanz keeps many centrifuges for ten years.” "]
)
def test_a_check_ends_within_a_batch(checker: Checker, text: str) -> None:
    """A deadline is seen before each sentence and passage, not only between batches."""
    calls = itertools.count(1)

    def proceed() -> None:
        if next(calls) == 3:
            raise InputError("too late", "try again")

    seconds: list[float] = []
    with pytest.raises(InputError, match="too late"):
        checker.check(text * 8, run=timed(seconds), proceed=proceed)
    assert len(seconds) == 2  # the sources, and the first sentences or quotations


@pytest.mark.parametrize("text", ["", "Is it?", "# Only a heading", "```\ncode\n```"])
def test_a_text_without_claims_is_refused(checker: Checker, text: str) -> None:
    with pytest.raises(InputError, match="contains no claims"):
        checker.check(text)


def test_a_line_of_sources_names_a_document_by_its_longest_name() -> None:
    documents = [document("", "a/deal.md", "The deal"), document("", "b/limits.md", "Limits")]
    names = DocumentNames(documents)
    assert names.source("deal.md > Signing") == "a/deal.md"
    assert names.source("see Limits, page 3") == "b/limits.md"
    assert names.source("something else") is None
    assert names.source("The ordeal") is None


def test_what_holds_only_on_a_condition_is_partly_supported(tmp_path: Path) -> None:
    index = engine(
        tmp_path / "index", {"pool.md": "Dogs may swim in the pool if they have a lead."}
    )
    index.reader = ExtractiveReader(str(tiny.four_verdicts(tmp_path)))
    sentence = only_sentence(Checker(index, MODELS).check("Dogs may swim in the pool."))
    assert (sentence.verdict, sentence.reason) == ("partly", "pool.md says so only on a condition")
    assert [evidence.says for evidence in sentence.evidence] == ["supports"]
