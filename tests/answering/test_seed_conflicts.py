"""The deliberate conflicts in seeds/ are reported with the right sides and counts."""

import functools
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag.ingestion.chunking import split_document
from rag.parsing.files import find
from rag.types import Answer, Document, Hit, Span
from tests.answering.readings import answer_of
from tests.fakes import BagOfWordsEmbedder
from tests.parsing.reading import read

SEEDS = Path(__file__).parent.parent.parent / "seeds"


@functools.cache
def documents() -> dict[str, Document]:
    return {file.document_id: read(file) for file in find([SEEDS])}


def span(marked: str, score: float) -> Span:
    """What a document says: its name, words of a sentence, and the answer in brackets."""
    name, _, sentence = marked.partition(": ")
    text_before, _, words = sentence.rstrip("]").partition("[")
    source = next(document for key, document in documents().items() if Path(key).stem == name)
    place = source.text.index(text_before + words) + len(text_before)
    passages = split_document(source, BagOfWordsEmbedder().count_tokens)
    passage = next(p for p in passages if p.start <= place < p.end)
    start = place - passage.start
    return Span(Hit(passage, 1.0, 0.8, 5.0), start, start + len(words), score)


def answer(question: str, marked_sentences: Sequence[str]) -> Answer:
    spans = [span(marked, 4.0 - number / 10) for number, marked in enumerate(marked_sentences)]
    return answer_of(question, list(documents().values()), spans)


@pytest.mark.parametrize(
    ("question", "marked_sentences", "expected", "sides"),
    [
        (
            "How many centrifuges did Iran have installed before the 2015 deal?",
            (
                "jcpoa: Before the deal about [19,000]",
                "natanz: Iran then had about [19,000 centrifuges]",
                "lausanne-framework-2015: installed centrifuges from about [19,000]",
                "jcpoa-enrichment-limits: spoke of [nearly 20,000 centrifuges]",
                "what-people-ask-about-the-deal: start from [about 20,000 centrifuges]",
            ),
            ("19,000", 3),
            {"nearly 20,000 centrifuges": 2},
        ),
        (
            "When was Larijani born?",
            ("ali-larijani: works give [3 June 1958]", "ali-larijani: profiles place it in [1957]"),
            ("3 June 1958", 1),
            {"1957": 1},
        ),
        (
            "When was Sultan Haitham born?",
            (
                "sultan-haitham: Some give [11 October 1955]",
                "sultan-haitham: others give [13 October 1954]",
            ),
            ("11 October 1955", 1),
            {"13 October 1954": 1},
        ),
        (
            "How many people were killed in Iran in the twelve-day war?",
            (
                "twelve-day-war-2025: ministry reported [627]",
                "twelve-day-war-2025: Martyrs gave [1,060]",
            ),
            ("627", 1),
            {"1,060": 1},
        ),
        (
            "How many countries are parties to the NPT?",
            (
                "non-proliferation-treaty: United Nations lists [191]",
                "non-proliferation-treaty: authors count [190]",
            ),
            ("191", 1),
            {"190": 1},
        ),
        (
            "How wide is the Strait of Hormuz at its narrowest?",
            (
                "strait-of-hormuz: has given [21 miles]",
                "strait-of-hormuz: works give [21 nautical miles]",
            ),
            ("21 miles", 1),
            {"21 nautical miles": 1},
        ),
        (
            "How long did the final round in Vienna take?",
            (
                "john-kerry: final round lasted [about 18 days]",
                "wendy-sherman-and-william-burns: 14 July 2015 after [27 days]",
                "wendy-sherman-and-william-burns: while others count [18 days]",
            ),
            ("about 18 days", 2),
            {"27 days": 1},
        ),
    ],
)
def test_deliberate_disagreements(
    question: str, marked_sentences: Sequence[str], expected: tuple[str, int], sides: dict[str, int]
) -> None:
    composed = answer(question, marked_sentences)
    assert (composed.text, composed.documents) == expected
    assert {side.text: side.documents for side in composed.conflicts} == sides


@pytest.mark.parametrize(
    ("question", "answering", "unrelated"),
    [
        (
            "When was the JCPOA signed?",
            "what-people-ask-about-the-deal: signed in [2015]",
            "jcpoa: left the JCPOA on [8 May 2018]",
        ),
        (
            "When did Carter freeze Iran's government assets?",
            "hostage-crisis: assets on [14 November 1979]",
            "hostage-crisis: from Iran on [12 November 1979]",
        ),
        (
            "How many centrifuges did the JCPOA let Iran keep installed?",
            "lausanne-framework-2015: about 19,000 to [6,104]",
            "lausanne-framework-2015: centrifuges from [about 19,000]",
        ),
        (
            "What is the gross capacity of the Bushehr reactor?",
            "bushehr: gross capacity of [about 1,000 megawatts]",
            "bushehr: net capacity of [about 915 megawatts]",
        ),
    ],
)
def test_statements_about_other_things_do_not_conflict(
    question: str, answering: str, unrelated: str
) -> None:
    composed = answer(question, (answering, unrelated))
    assert composed.text == answering.partition("[")[2].rstrip("]")
    assert composed.conflicts == ()
