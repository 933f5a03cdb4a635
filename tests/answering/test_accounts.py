import pytest

from rag.answering.accounts import of_another, told_beside
from rag.answering.features import Asked
from rag.english.sentences import enclosing_sentence


def told(question: str, text: str, answer: str) -> list[str]:
    start = text.index(answer)
    return [
        text[slice(*place)]
        for place in told_beside(Asked.of(question), text, start, start + len(answer))
    ]


@pytest.mark.parametrize(
    ("question", "text", "answer", "others"),
    [
        (
            "How many miners died in the Ambar pit?",
            "The company reported 41 dead. The union counted 57 miners, among them nine "
            "apprentices.",
            "41",
            ["57 miners"],
        ),
        (
            "How many miners died in the Ambar pit?",
            "The company reported 41 dead, while the union put the toll at 57.",
            "57",
            ["41"],
        ),
        ("When was Orla Finn born?", "Her publisher gives 4 May 1911. Others place her birth in "
                                     "1909.", "4 May 1911", ["1909"]),
        ("How long is the canal?", "Maps disagree. The port lists 36 km, older guides give 22 "
                                   "miles.", "36 km", ["22 miles"]),
        ("How long was the trip?", "It took 31 days, by his own count, while others count 28 "
                                   "days.", "28 days", ["31 days"]),
        ("How old was she?", "According to her niece, she was 77 years old; the book gives 78 "
                             "years.", "77 years", ["78 years"]),
        # what no one tells otherwise
        ("How many miners died in the Ambar pit?", "In all 41 miners died. The pit employed 900 "
                                                   "people.", "41", []),
        ("How many miners died in the Ambar pit?", "The company reported 41 dead, including 9 "
                                                   "apprentices.", "41", []),
        ("When must a burglary be reported?", "It must be reported within 24 hours, other damage "
                                              "within 7 days.", "24 hours", []),
        ("How many died in Ambar?", "The company reported 41 dead. In Sol the union counted 57.", "41", []),  # noqa: E501
        ("When did the pit open?", "The pit opened in 1887. It closed in 1954.", "1887", []),
    ],
)  # fmt: skip
def test_what_others_tell_instead(question: str, text: str, answer: str, others: list[str]) -> None:
    assert told(question, text, answer) == others


@pytest.mark.parametrize(
    ("question", "first", "text", "second", "another"),
    [
        ("When was Orla Finn born?", "Finn was born in 1911.", "Her son, Noel, taught. Noel was "
                                                               "born in 1940.", "1940", True),
        ("When was Orla Finn born?", "Finn was born in 1911.", "Orla Finn was born in 1909.", "1909", False),  # noqa: E501
        ("How long did the talks in Sol take?", "They took nine days.", "The talks in Ambar had "
                                                                        "taken four days.", "four", True),  # noqa: E501
        ("How long did the talks in Sol take?", "They took nine days.", "The talks in Sol lasted "
                                                                        "a week.", "a week", False),
        ("How long did the talks take?", "They took nine days.", "The talks in Ambar had taken "
                                                                 "four days.", "four", False),
        ("When did work on the dam start?", "Work began in 1931.", "Construction was begun in "
                                                                   "1932.", "1932", False),
    ],
)  # fmt: skip
def test_of_another(question: str, first: str, text: str, second: str, another: bool) -> None:
    at = text.index(second)
    assert (
        of_another(Asked.of(question), text, enclosing_sentence(text, at, at + len(second)), first)
        is another
    )
