"""Documents that say yes and no to one question, with the shipped models."""

from pathlib import Path

import pytest

import rag
from rag.types import Answer

pytestmark = pytest.mark.slow


def answer_from_dated(question: str, folder: Path, texts_by_day: dict[str, str]) -> Answer:
    """The answer from documents of these days."""
    documents = folder / "documents"
    documents.mkdir()
    for day, text in texts_by_day.items():
        (documents / f"{day}.md").write_text(f"---\ndate: {day}\n---\n{text}\n", encoding="utf-8")
    with rag.open(folder / "index") as index:
        index.ingest(documents)
        return index.ask(question)


@pytest.mark.parametrize(
    ("question", "texts_by_day", "verdict", "opposite"),
    [
        (
            "Are bicycles allowed on the towpath?",
            {
                "2019-04-01": "# Towpath rules\n\nBicycles are allowed on the towpath.",
                "2024-04-02": "# Towpath rules, revised\n\n"
                "Bicycles are not allowed on the towpath.",
            },
            "No.",
            "yes",
        ),
        (
            "May members bring guests to the sauna?",
            {
                "2024-03-01": "# Sauna, house rules\n\nMembers may bring guests to the sauna.",
                "2021-03-01": "# Sauna, house rules\n\nGuests are not admitted to the sauna.",
            },
            "Yes.",
            "no",
        ),
    ],
)
def test_the_later_verdict_comes_first_and_the_earlier_one_is_announced(
    tmp_path: Path, question: str, texts_by_day: dict[str, str], verdict: str, opposite: str
) -> None:
    answer = answer_from_dated(question, tmp_path, texts_by_day)
    assert (answer.text or "").startswith(verdict)
    assert [side.verdict for side in answer.conflicts] == [opposite]


def test_a_rule_of_another_house_is_no_conflict(tmp_path: Path) -> None:
    answer = answer_from_dated(
        "Are dogs allowed in the cafe?",
        tmp_path,
        {
            "2022-05-01": "# Cafe Tern\n\nDogs are allowed in the cafe.",
            "2023-05-01": "# Museum\n\nDogs are not allowed in the museum.",
        },
    )
    assert (answer.text or "").startswith("Yes.")
    assert answer.conflicts == ()
