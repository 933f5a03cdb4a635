"""The package's public API, with small models instead of the real ones."""

import subprocess
import sys
from pathlib import Path

import pytest

import rag
from rag import build
from tests.fakes import BagOfWordsEmbedder, NameReader


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    monkeypatch.setattr(build, "reader", lambda settings: NameReader())
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mill.txt").write_text("The mill in Leiden was built by Anna Visser.")
    return tmp_path


def test_the_public_names() -> None:
    assert rag.__all__ == sorted(rag.__all__, key=lambda name: (name.islower(), name))
    assert all(getattr(rag, name) for name in rag.__all__)
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        rag.opne  # noqa: B018


def test_an_index_is_filled_searched_and_asked(folder: Path) -> None:
    with rag.open(folder / "index", threshold=0.0) as index:
        assert index.ingest(folder / "texts").added == ["texts/mill.txt"]
        assert [document.id for document in index.documents()] == ["texts/mill.txt"]
        assert index.search("mill", 1)[0].passage.document_id == "texts/mill.txt"
        answer = index.ask("Who built the mill?", filter=["type=txt"])
        cited = answer.citations[0]
        document = index.document(cited.document_id)
        assert document
        assert document.text[cited.start : cited.end] == cited.quote


def test_a_form_can_be_chosen(folder: Path) -> None:
    with rag.open(folder / "index", threshold=0.0) as index:
        index.ingest(folder / "texts")
        answer = index.ask("Who built the mill?", form="sentences")
        assert answer.form == "sentences"
        assert answer.text == "The mill in Leiden was built by Anna Visser."
        with pytest.raises(rag.RagError, match="poem"):
            index.ask("Who built the mill?", form="poem")


def test_the_example_of_the_documentation_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "texts").rename(folder / "notes")
    monkeypatch.chdir(folder)
    text = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
    exec(text.partition("```python\n")[2].partition("```")[0], {})


def test_a_missing_index_is_an_error_of_the_package(folder: Path) -> None:
    with pytest.raises(rag.RagError, match="nothing"):
        rag.open(folder / "nothing").ask("Who?")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, rag; rag.Settings, rag.Answer; print({'torch', 'numpy', 'faiss'} & "
        "set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_text_is_checked_against_the_index(folder: Path) -> None:
    with rag.open(folder / "index") as index:
        index.ingest(folder / "texts")
        report = index.check(
            "The mill in Leiden was built by Anna Visser. It was built by Jan Steen."
        )
        assert report.sentences[0].verdict == "supported"
        assert report.sentences[1].verdict != "supported"
