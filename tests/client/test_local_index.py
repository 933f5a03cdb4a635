"""The package's public API, with small models instead of the real ones."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag
from tests.fakes import fake_models


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_models(monkeypatch.setattr)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mill.txt").write_text("The mill in Leiden was built by Anna Visser.")
    return tmp_path


@pytest.fixture
def filled(folder: Path) -> Iterator[rag.Index]:
    """An index of the folder's text."""
    with rag.open(folder / "index", threshold=0.0) as index:
        index.ingest(folder / "texts")
        yield index


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
        answer = index.ask("Who built the mill?", filters=["type=txt"])
        cited = answer.citations[0]
        document = index.document(cited.document_id)
        assert document
        assert document.text[cited.start : cited.end] == cited.quote


def test_a_folder_is_synced_and_documents_are_deleted(folder: Path) -> None:
    with rag.open(folder / "index", threshold=0.0) as index:
        assert index.sync(folder / "texts").added == ["texts/mill.txt"]
        (folder / "texts" / "inn.txt").write_text("The inn in Delft was built by Jan Bos.")
        (folder / "texts" / "mill.txt").unlink()
        with pytest.raises(rag.RagError, match="1 of the 1 documents"):
            index.sync(folder / "texts")
        changes = index.sync(folder / "texts", allow_mass_delete=True)
        assert (changes.added, changes.removed) == (["texts/inn.txt"], ["texts/mill.txt"])
        with pytest.raises(rag.RagError, match="texts/mill"):
            index.delete("texts/inn.txt", "texts/mill.txt")
        (receipt,) = index.delete("texts/inn.txt")
        assert receipt.complete
        assert index.documents() == []
        with pytest.raises(rag.RagError, match="no such folder"):
            index.sync(folder / "none")


def add_inn(index: rag.Index, folder: Path) -> None:
    (folder / "texts" / "inn.txt").write_text("The inn in Delft was built by Jan Bos.")
    index.ingest(folder / "texts")


def test_a_conversation_fills_in_follow_ups(filled: rag.Index, tmp_path: Path) -> None:
    add_inn(filled, tmp_path)
    talk = filled.conversation()
    talk.ask("Who built the mill?")
    assert "mill" in talk.ask("Where is it?").question
    assert filled.ask("Where is it?").question == "Where is it?"


def test_a_grid_is_asked_once_from_a_file_or_its_values(filled: rag.Index, tmp_path: Path) -> None:
    add_inn(filled, tmp_path)
    question = 'name = "City"\nquestion = "In which city is the mill or the inn?"'
    (tmp_path / "houses.toml").write_text(f"[[columns]]\n{question}\n")
    steps: list[tuple[int, int]] = []
    grid = filled.grid(tmp_path / "houses.toml", lambda *step: steps.append(step))
    assert steps == [(2, 2)]
    assert [cell.value for cell in grid.cells.values()] == ["Delft", "Leiden"]
    values = {"name": "houses", "columns": [{"name": "Builder", "question": "Who built it?"}]}
    assert filled.grid(values, lambda *step: steps.append(step)).counts["answered"] == 2
    filled.grid(values, lambda *step: steps.append(step))
    assert steps == [(2, 2)] * 2, "what was asked is not asked again"
    with pytest.raises(rag.RagError, match="unknown key 'colour'"):
        filled.grid({**values, "colour": "red"})
    with pytest.raises(rag.RagError, match="no document matches type=pdf"):
        filled.grid({**values, "filter": ["type=pdf"]})


def test_an_answer_is_a_dictionary_of_json_values(filled: rag.Index) -> None:
    values = filled.ask("Who built the mill?").to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["answer"] == values["citations"][0]["highlight"]["text"]


def test_coroutines_run_one_after_another_in_a_thread(folder: Path) -> None:
    async def use() -> None:
        async with rag.open_async(folder / "index", threshold=0.0) as index:
            assert (await index.ingest(folder / "texts")).added == ["texts/mill.txt"]
            questions = ["Who built the mill?", "Where is the mill?"]
            answers = await asyncio.gather(*map(index.ask, questions))
            assert [answer.question for answer in answers] == questions
            assert (await index.search("mill", 1))[0].passage.document_id == "texts/mill.txt"
            assert (await index.delete("texts/mill.txt"))[0].complete

    asyncio.run(use())


def test_a_form_can_be_chosen(filled: rag.Index) -> None:
    answer = filled.ask("Who built the mill?", form="sentences")
    assert answer.form == "sentences"
    assert answer.text == "The mill in Leiden was built by Anna Visser."
    with pytest.raises(rag.RagError, match="poem"):
        filled.ask("Who built the mill?", form="poem")


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
    loaded = "print({'torch', 'numpy', 'faiss'} & set(sys.modules))"
    code = f"import sys, rag; rag.Settings, rag.Answer; {loaded}"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "set()"


def test_a_text_is_checked_against_the_index(filled: rag.Index) -> None:
    text = "The mill in Leiden was built by Anna Visser. It was built by Jan Steen."
    supported, contradicted = filled.check(text).sentences
    assert supported.verdict == "supported"
    assert contradicted.verdict != "supported"
