import pytest

from rag.english.followups import PreviousTurn, understand


@pytest.mark.parametrize(
    "asked", ["Can I cancel it?", "What happens if I forget it?", "How do you open it?"]
)
def test_the_speaker_is_never_an_antecedent(asked: str) -> None:
    last = PreviousTurn("What must I do with the badge?", None, "")
    assert " I?" not in understand(asked, last).question.replace(asked, "")
    assert (
        understand("What if I forget it?", PreviousTurn("Do I need my badge?")).question
        == "What if I forget it?"
    )
