import pytest

from rag.answering.dated import dating
from rag.english.text import content_words, named_words

_JCPOA = "When was the JCPOA signed?"


@pytest.mark.parametrize(
    ("question", "sentence", "date", "found"),
    [
        (
            _JCPOA,
            "Talks paved the way for the 2015 Joint Comprehensive Plan of Action (JCPOA), the "
            "nuclear deal.",
            "2015",
            1,
        ),
        (_JCPOA, "The JCPOA (2015) lifted sanctions.", "2015", 1),
        (_JCPOA, "It has advanced since the US withdrawal from the JCPOA in 2018.", "2018", -1),
        (_JCPOA, "The JCPOA was signed in Vienna on 14 July 2015.", "14 July 2015", 0),
        (_JCPOA, "Since the signing of the JCPOA in 2015 it has slowed.", "2015", 0),
        (_JCPOA, "The 2015 Paris Agreement is about climate.", "2015", 0),
        (
            "When did the US withdraw from the JCPOA?",
            "It grew since the US withdrawal from the JCPOA in 2018.",
            "2018",
            0,
        ),
        (
            "When did the US leave the JCPOA?",
            "It grew since the US withdrawal from the JCPOA in 2018.",
            "2018",
            0,
        ),
        (
            "When did the US leave the JCPOA?",
            "Talks led to the 2015 Joint Comprehensive Plan of Action (JCPOA).",
            "2015",
            0,
        ),
        (
            "When was the Reform Act passed?",
            "Parliament passed the Reform Act of 1832 after riots.",
            "1832",
            1,
        ),
        ("When did Iran agree?", "In 2015 Iran agreed to limits.", "2015", 0),
        ("When did Iran agree?", "Iran agreed.", "agreed", 0),
    ],
)
def test_what_a_date_is_of(question: str, sentence: str, date: str, found: float) -> None:
    start = sentence.index(date)
    assert (
        dating(content_words(question), named_words(question), sentence, start, start + len(date))
        == found
    )
