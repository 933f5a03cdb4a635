"""Questions over a shelf of agreements, with the shipped models."""

from collections.abc import Iterator

import pytest

import rag

pytestmark = pytest.mark.slow
AGREEMENTS = {
    "coffee-machine.md": """# Hire agreement: coffee machine

The agreement begins on 1 May 2025 and runs for two years. It then renews automatically for one year
at a time unless one side gives notice three months before the end.

The hire is £40 a month. Repairs are carried out by the supplier.""",
    "window-cleaning.md": """# Agreement for window cleaning

The agreement begins on 1 March 2025 and runs for twelve months. It rolls over for another year each
time, unless either party ends it in writing by 31 January.

The windows are cleaned every month at £85 a visit.""",
    "photo-copier.md": """# Hire agreement: copier

The agreement begins on 1 June 2024 and ends on 31 May 2027. It does not renew automatically; a new
agreement has to be signed.

The hire is £95 a month. Animals must not be kept in the print room.""",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rag.Index]:
    folder = tmp_path_factory.mktemp("shelf")
    documents = folder / "agreements"
    documents.mkdir()
    for name, text in AGREEMENTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    with rag.open(folder / "index") as index:
        index.ingest(documents)
        yield index


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which agreements renew automatically?", {"coffee-machine.md", "window-cleaning.md"}),
        ("Which agreements do not renew automatically?", {"photo-copier.md"}),
        ("Which agreements say nothing about repairs?", {"window-cleaning.md", "photo-copier.md"}),
    ],
)
def test_all_and_only_the_right_agreements_are_named(
    shelf: rag.Index, question: str, expected: set[str]
) -> None:
    answer = shelf.ask(question)
    assert answer.form == "grid"
    named = {piece.citation.document_id.rpartition("/")[2] for piece in answer.pieces}
    assert named == expected
