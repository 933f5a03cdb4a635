import pytest

from rag.meaning.words import compatible, content_words, coverage, named_words, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("14 July, 2015", "14 july 2015"),
        ("3.67%", "3 67%"),
        ("a  an The Café.", "café"),
    ],
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


def test_compatible_is_containment_by_whole_words() -> None:
    assert compatible("2015", "14 july 2015")
    assert compatible("sultan haitham bin tariq", "haitham bin tariq")
    assert not compatible("5", "2015")


@pytest.mark.parametrize(
    ("question", "text", "share"),
    [
        ("When was the JCPOA signed?", "The JCPOA was signed in 2015.", 1.0),
        ("When was the JCPOA signed?", "The signature of the pact.", 0.0),
        ("Who hosted the talks?", "Oman hosts talks", 0.5),
        ("who is it?", "anything", 0.0),
    ],
)
def test_coverage_counts_beginnings_of_words(question: str, text: str, share: float) -> None:
    assert coverage(content_words(question), text) == share


def test_names_and_figures_of_a_question() -> None:
    assert named_words("How many centrifuges did Fordow have in 2015?") == {"fordo", "2015"}
    assert named_words("where was it?") == frozenset()
