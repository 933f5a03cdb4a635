from __future__ import annotations

import os
from pathlib import Path

import faiss
import numpy as np
import pytest

from rag.store.local.faiss_index import DenseIndex
from tests.store.helpers import unit


def filled(count: int) -> DenseIndex:
    index = DenseIndex(64)
    index.add(range(1, count + 1), unit(count))
    return index


def brute(question: int, k: int, allowed: list[int]) -> list[int]:
    scores = unit(200) @ unit(1, seed=question)[0]
    return sorted(allowed, key=lambda i: -scores[i - 1])[:k]


@pytest.mark.parametrize("allowed", [None, list(range(1, 200, 7)), [5], list(range(1, 151))])
def test_the_best_equal_brute_force(allowed: list[int] | None) -> None:
    index = filled(200)
    for question in range(1, 6):
        found = [id for id, _ in index.search(unit(1, seed=question)[0], 20, allowed)]
        assert found == brute(question, 20, allowed or list(range(1, 201)))


def test_ids_stay_when_others_are_removed(tmp_path: Path) -> None:
    index = filled(200)
    index.remove([1, 2, 100, 200, 999])
    index.add([201, 5000], unit(200)[[0, 1]])
    left = [id for id in range(3, 200) if id != 100]
    for held in (index, saved(index, tmp_path)):
        assert sorted(held.ids().tolist()) == [*left, 201, 5000]
        assert [id for id, _ in held.search(unit(200)[0], 1)] == [201]
        assert [id for id, _ in held.search(unit(1, seed=9)[0], 30, left)] == brute(9, 30, left)


def saved(index: DenseIndex, folder: Path) -> DenseIndex:
    index.save(folder / "vectors.faiss")
    return DenseIndex(64, folder / "vectors.faiss")


@pytest.mark.parametrize(
    ("k", "allowed", "count"),
    [(0, None, 0), (99, None, 3), (9, [], 0), (9, [7, 8], 0), (9, [1, 8], 1)],
)
def test_only_present_ids_are_found(k: int, allowed: list[int] | None, count: int) -> None:
    assert len(filled(3).search(unit(1)[0], k, allowed)) == count


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    index = saved(DenseIndex(64), tmp_path)
    index.remove([1])
    assert (len(index), index.ids().tolist(), index.search(unit(1)[0], 5)) == (0, [], [])


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
    filled(3).save(path)
    with pytest.raises(ValueError, match="32 dimensions"):
        DenseIndex(32, path)


def test_saving_replaces_the_file_atomically(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    filled(200).save(path)
    opened = path.open("rb")
    filled(3).save(path)
    assert len(opened.read()) > 200 * 64 * 4  # an open snapshot stays readable
    opened.close()
    assert len(DenseIndex(64, path)) == 3
    assert os.listdir(tmp_path) == ["vectors.faiss"]


def test_an_unwritable_snapshot_is_an_os_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(OSError, match="vectors"):
        filled(3).save(tmp_path / "missing" / "vectors.faiss")
    assert os.listdir(tmp_path) == []


def test_other_threads_settings_are_unchanged() -> None:
    before = faiss.omp_get_max_threads()
    filled(3).search(unit(1)[0], 1)
    assert faiss.omp_get_max_threads() == before


def test_scores_are_cosines() -> None:
    found = dict(filled(20).search(unit(1, seed=3)[0], 20))
    cosines = unit(20) @ unit(1, seed=3)[0]
    np.testing.assert_allclose([found[i] for i in range(1, 21)], cosines, atol=1e-6)


# Compressed


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.faiss_index._FLAT", 300)


@pytest.mark.usefixtures("small")
def test_the_type_depends_on_size_with_hysteresis() -> None:
    index = filled(200)
    assert (index.index_type, index.exact, index.wanted(300)) == ("flat", True, "flat")
    kind = index.wanted(301)
    assert kind == "ivf-64-sq8"
    large = DenseIndex.trained(64, kind, unit(400))
    assert (large.index_type, large.exact, large.new) == (kind, False, True)
    assert [large.wanted(count) for count in (151, 300, 1000, 2000)] == [kind] * 4
    assert large.wanted(150) == "flat"
    assert large.wanted(9000) == "ivf-512-sq8"


@pytest.mark.usefixtures("small")
def test_a_compressed_index_holds_the_same_ids_and_finds_the_nearest(tmp_path: Path) -> None:
    index = DenseIndex.trained(64, "ivf-16-sq8", unit(400))
    index.add(range(1, 401), unit(400))
    index.remove([1, 2, 400, 999])
    index.add([5000], unit(1, seed=7))
    index.save(tmp_path / "vectors.faiss")
    assert not index.new
    for held in (index, DenseIndex(64, tmp_path / "vectors.faiss")):
        assert sorted(held.ids().tolist()) == [*range(3, 400), 5000]
        assert len(held) == 398
        assert held.search(unit(1, seed=7)[0], 1)[0][0] == 5000
        allowed = list(range(3, 400, 50))
        assert sorted(i for i, _ in held.search(unit(1)[0], 99, allowed)) == allowed
        assert held.search(unit(1)[0], 9, [1, 2]) == []
