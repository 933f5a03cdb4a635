import math
import threading
from pathlib import Path

import pytest

from rag.store.local.tantivy_index import LexicalIndex, make

TEXTS = {
    1: "Oman hosted the talks",
    2: "the talks, the talks",
    3: "Sardines swam in Oman",
    4: "café Über straße",
}


def in_folder(tmp_path: Path) -> LexicalIndex:
    make(tmp_path / "lexical")
    return LexicalIndex(tmp_path / "lexical")


@pytest.fixture(params=["memory", "folder"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> LexicalIndex:
    index = LexicalIndex() if request.param == "memory" else in_folder(tmp_path)
    index.update([], TEXTS.items())
    return index


def ids(index: LexicalIndex, text: str, k: int = 9, allowed: list[int] | None = None) -> list[int]:
    return [id for id, _ in index.search(text, k, allowed)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("talking", [2, 1]),
        ("Oman", [1, 3]),
        ("SARDINE swims", [3]),
        ("cafe uber strasse", [4]),
        ("the of and", []),
        ("", []),
        ("nothing like it", []),
        ('talks AND (NOT "oman', [1, 2, 3]),  # a question has no syntax
        ("x" * 5000, []),
        ("talks " * 5000, [2, 1]),
    ],
)
def test_words_are_matched_by_stems(
    index: LexicalIndex, question: str, expected: list[int]
) -> None:
    assert sorted(ids(index, question)) == sorted(expected)
    assert ids(index, question)[:1] == expected[:1]


def test_the_score_is_bm25(index: LexicalIndex) -> None:
    """k1 = 1.2, b = 0.75; "the" and "in" are stop words, so the lengths are 3, 2, 3 and 3."""
    idf = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / (11 / 4))
    assert dict(index.search("oman", 9))[3] == pytest.approx(idf * 2.2 / (1 + norm), rel=1e-4)


def test_scores_with_and_without_a_filter_are_the_same(index: LexicalIndex) -> None:
    index.update([], ((n, "other words") for n in range(100, 200)))
    unfiltered = dict(index.search("talks oman", 9))
    for allowed in ([1, 2], list(range(200))):
        assert dict(index.search("talks oman", 9, allowed)) == {
            i: unfiltered[i] for i in unfiltered if i in allowed
        }


def test_an_update_that_fails_changes_nothing(index: LexicalIndex) -> None:
    def texts() -> object:
        yield 9, "herring"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        index.update([1], texts())  # type: ignore[arg-type]
    index.refresh()
    assert sorted(index.ids().tolist()) == [1, 2, 3, 4]
    index.update([1], [(9, "herring")])
    assert sorted(index.ids().tolist()) == [2, 3, 4, 9]


def test_no_python_thread_is_left(index: LexicalIndex) -> None:
    thread_count = threading.active_count()  # other tests' progress bars leave a thread
    index.update([1], [])
    assert threading.active_count() == thread_count


def test_a_folder_deleted_while_opening_is_not_partly_read(tmp_path: Path) -> None:
    """Each file is missing in turn, as if another process recreated the folder."""
    index = in_folder(tmp_path)
    index.update([], TEXTS.items())
    index.update([2], [])
    for gone in [
        path
        for path in (tmp_path / "lexical").iterdir()
        if path.suffix != ".lock" and path.name != ".managed.json"
    ]:
        content = gone.read_bytes()
        gone.unlink()
        with pytest.raises(ValueError, match=r"."):
            index.refresh()
        with pytest.raises(ValueError, match=r"."):
            LexicalIndex(tmp_path / "lexical")
        assert ids(index, "oman") == [1, 3]
        gone.write_bytes(content)
    index.refresh()
    assert ids(index, "oman") == [1, 3]
