from pathlib import Path

import pytest

from rag.repl.complete import suggest
from rag.types import Document
from tests.fakes import document

DOCUMENTS = [
    document("x", "docs/deal.md", "The Joint Plan of Action", type="md", year="2015"),
    document("x", "docs/oman.txt", "Oman, the mediator", type="txt"),
    document("x", "docs/evil.txt", "Evil \x1b[2J title", type="txt"),
]


def after(line: str, documents: list[Document] = DOCUMENTS) -> list[str]:
    """The line after accepting each suggestion."""
    return [line[: len(line) + s.start_position] + s.text for s in suggest(line, lambda: documents)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/sea", ["/search"]),
        ("/s", ["/search", "/sources", "/save"]),
        ("/help in", ["/help ingest", "/help info"]),
        ("/delete joint", ["/delete docs/deal.md"]),
        ("/delete docs/o", ["/delete docs/oman.txt"]),
        ("/list mediator", ["/list docs/oman.txt"]),
        ("/filter ty", ["/filter type="]),
        ("/filter type=", ["/filter type=md", "/filter type=txt"]),
        ("/filter title=The", ["/filter title=The Joint Plan of Action"]),
        ("/filter o", ["/filter off"]),
        ("/filter nothing=", []),
        ("/quit ", []),
        ("who wrote the joint pl", ["who wrote The Joint Plan of Action"]),
        ("what did oman", ["what did Oman, the mediator"]),
        ("when did it end", []),
        ("a", []),
        ("", []),
    ],
)
def test_suggestions(line: str, expected: list[str]) -> None:
    assert after(line) == expected


def test_titles_cannot_control_the_terminal() -> None:
    (suggestion,) = suggest("/delete evil", lambda: DOCUMENTS)
    assert "\x1b" not in suggestion.text + suggestion.display_meta_text


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    for name in ("notes/one.md", "notes/.hidden", "now.md", "b\x07ell.md"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert after("/ingest n") == ["/ingest notes/", "/ingest now.md"]
    assert after("/ingest ~/notes/") == ["/ingest ~/notes/deep/", "/ingest ~/notes/one.md"]
    assert after("/save notes/.") == ["/save notes/.hidden"]
    assert after("/ingest ") == ["/ingest notes/", "/ingest now.md"]
    assert after("/ingest nowhere/") == []


def test_documents_are_listed_only_when_needed() -> None:
    def none() -> list[Document]:
        raise AssertionError

    assert list(suggest("/sear", none))
