from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from rag.models.bert import SCALE, load_weights, save_weights


@given(
    rows=st.integers(64, 90),
    columns=st.integers(64, 90),
    size=st.floats(1e-4, 1e4),
    seed=st.integers(0, 99),
)
def test_no_number_moves_by_more_than_half_a_step_of_its_row(
    tmp_path_factory: pytest.TempPathFactory, rows: int, columns: int, size: float, seed: int
) -> None:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size
    save_weights({"m": matrix}, path)
    found = load_weights(path)["m"]
    step = matrix.abs().amax(1, keepdim=True) / 127
    assert found.dtype == torch.float32
    assert ((found - matrix).abs() <= step * 0.5001).all()


def test_a_matrix_takes_a_byte_per_number_and_vectors_two(tmp_path: Path) -> None:
    weights = {"m": torch.randn(100, 100), "head": torch.randn(3, 100), "bias": torch.randn(100)}
    save_weights(weights, tmp_path / "model.safetensors")
    stored = load_file(tmp_path / "model.safetensors")
    assert {name: value.dtype for name, value in stored.items()} == {
        "m": torch.int8,
        "m" + SCALE: torch.float32,
        "head": torch.float16,
        "bias": torch.float16,
    }
    found = load_weights(tmp_path / "model.safetensors")
    assert {*found} == {*weights}
    assert torch.equal(found["bias"], weights["bias"].half())


def test_rows_of_zeros_stay_zero(tmp_path: Path) -> None:
    save_weights({"m": torch.zeros(64, 64)}, tmp_path / "m.safetensors")
    assert not load_weights(tmp_path / "m.safetensors")["m"].any()


def test_a_file_in_full_precision_is_read_unchanged(tmp_path: Path) -> None:
    weights = {"m": torch.randn(80, 80)}
    save_file(weights, tmp_path / "m.safetensors")
    assert torch.equal(load_weights(tmp_path / "m.safetensors")["m"], weights["m"])
