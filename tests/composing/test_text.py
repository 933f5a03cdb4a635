import pytest

from rag.composing.text import compatible, coverage, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [("The JCPOA.", "jcpoa"), ("14 July, 2015", "14 july 2015"), ("3.67%", "3 67%"), ("a  an the", ""), ("Café", "café")],
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


def test_compatible_is_containment_by_whole_words() -> None:
    assert compatible("2015", "14 july 2015")
    assert compatible("sultan haitham bin tariq", "haitham bin tariq")
    assert not compatible("2015", "2018")
    assert not compatible("5", "2015")


def test_coverage_counts_content_words_by_their_beginnings() -> None:
    assert coverage("When was the JCPOA signed?", "The JCPOA was signed in 2015.") == 1.0
    assert coverage("When was the JCPOA signed?", "The signature of the pact.") == 0.0
    assert coverage("Who hosted the talks?", "Oman hosts talks") == 0.5
    assert coverage("who is it?", "anything") == 0.0
