import pytest

from rag.meaning.words import compatible, content_words, coverage, named_words, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The JCPOA.", "jcpoa"),
        ("14 July, 2015", "14 july 2015"),
        ("3.67%", "3 67%"),
        ("a  an the", ""),
        ("Café", "café"),
    ],
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


def test_compatible_is_containment_by_whole_words() -> None:
    assert compatible("2015", "14 july 2015")
    assert compatible("sultan haitham bin tariq", "haitham bin tariq")
    assert not compatible("2015", "2018")
    assert not compatible("5", "2015")


def test_coverage_counts_content_words_by_their_beginnings() -> None:
    def covered(question: str, text: str) -> float:
        return coverage(content_words(question), text)

    assert covered("When was the JCPOA signed?", "The JCPOA was signed in 2015.") == 1.0
    assert covered("When was the JCPOA signed?", "The signature of the pact.") == 0.0
    assert covered("Who hosted the talks?", "Oman hosts talks") == 0.5
    assert covered("who is it?", "anything") == 0.0


def test_names_and_figures_of_a_question() -> None:
    assert named_words("How many centrifuges did Fordow have in 2015?") == {"fordo", "2015"}
    assert named_words("where was it?") == frozenset()
