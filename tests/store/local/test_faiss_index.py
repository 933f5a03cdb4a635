import os
from pathlib import Path

import faiss
import pytest

from rag.store.local.faiss_index import DenseIndex
from tests.store.helpers import unit


def filled_view(count: int) -> DenseIndex:
    index = DenseIndex(64)
    index.add(range(1, count + 1), unit(count))
    return index


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    with pytest.raises(ValueError, match="not a FAISS index"):
        DenseIndex(64, path)
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match="not a FAISS index"):
        DenseIndex(64, path)
    faiss.write_index(faiss.IndexFlatIP(64), str(path))
    with pytest.raises(ValueError, match="with ids"):
        DenseIndex(64, path)
    filled_view(3).save(path)
    with pytest.raises(ValueError, match="32 dimensions"):
        DenseIndex(32, path)


def test_saving_replaces_the_file_atomically(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    filled_view(200).save(path)
    opened = path.open("rb")
    filled_view(3).save(path)
    assert len(opened.read()) > 200 * 64 * 4  # an open snapshot stays readable
    opened.close()
    assert len(DenseIndex(64, path)) == 3
    assert os.listdir(tmp_path) == ["vectors.faiss"]


def test_an_unwritable_snapshot_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="vectors"):
        filled_view(3).save(tmp_path / "missing" / "vectors.faiss")
    assert os.listdir(tmp_path) == []


def test_other_threads_settings_are_unchanged() -> None:
    thread_count = faiss.omp_get_max_threads()
    filled_view(3).search(unit(1)[0], 1)
    assert faiss.omp_get_max_threads() == thread_count


# Compressed


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.faiss_index._MOST_FLAT", 300)


@pytest.mark.usefixtures("small")
def test_the_type_depends_on_size_with_hysteresis() -> None:
    index = filled_view(200)
    assert (index.index_type, index.is_exact, index.wanted(300)) == ("flat", True, "flat")
    kind = index.wanted(301)
    assert kind == "ivf-64-sq8"
    large_index = DenseIndex.trained(64, kind, unit(400))
    assert (large_index.index_type, large_index.is_exact, large_index.new) == (kind, False, True)
    assert [large_index.wanted(count) for count in (151, 300, 1000, 2000)] == [kind] * 4
    assert large_index.wanted(150) == "flat"
    assert large_index.wanted(9000) == "ivf-512-sq8"
