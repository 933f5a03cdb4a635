from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from rag.models import device
from rag.models.bert import SCALE, load_weights, save_weights
from rag.models.device import Int8Linear, int8_steps, quantised


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
    restored = load_weights(path)["m"]
    step = matrix.abs().amax(1, keepdim=True) / 127
    assert restored.dtype == torch.float32
    assert ((restored - matrix).abs() <= step * 0.5001).all()


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
    restored = load_weights(tmp_path / "model.safetensors")
    assert {*restored} == {*weights}
    assert torch.equal(restored["bias"], weights["bias"].half())


def test_rows_of_zeros_stay_zero(tmp_path: Path) -> None:
    save_weights({"m": torch.zeros(64, 64)}, tmp_path / "m.safetensors")
    assert not load_weights(tmp_path / "m.safetensors")["m"].any()


def test_a_file_in_full_precision_is_read_unchanged(tmp_path: Path) -> None:
    weights = {"m": torch.randn(80, 80)}
    save_file(weights, tmp_path / "m.safetensors")
    assert torch.equal(load_weights(tmp_path / "m.safetensors")["m"], weights["m"])


def test_8_bit_matrices_stay_in_the_file_where_8_bits_are_wanted(tmp_path: Path) -> None:
    weights = {"m": torch.randn(80, 80), "n": torch.randn(80, 80)}
    save_weights(weights, tmp_path / "m.safetensors")
    restored = load_weights(
        tmp_path / "m.safetensors", lambda name: torch.int8 if name == "m" else torch.float32
    )
    assert restored["m"].dtype == torch.int8
    assert torch.equal(
        restored["m"] * restored["m" + SCALE][:, None],
        load_weights(tmp_path / "m.safetensors")["m"],
    )
    assert restored["n"].dtype == torch.float32
    assert "n" + SCALE not in restored


@pytest.mark.parametrize("processor", ["this one", "one without VNNI"])
@pytest.mark.parametrize("shape", [(1, 64, 64), (17, 100, 40), (64, 768, 96)])
def test_an_integer_product_is_near_that_of_fp32(
    shape: tuple[int, int, int], processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of very different sizes, of zeros, and with one number far above the others."""
    if processor != "this one":
        monkeypatch.setattr(device, "int8_steps", lambda: 126)
    tokens, in_features, out_features = shape
    chance = torch.Generator().manual_seed(tokens)
    states = (
        torch.randn(tokens, in_features, generator=chance) * torch.logspace(-3, 3, tokens)[:, None]
    )
    states[-1] = 0
    states[0, 3] = 20 * states[0].abs().max()
    weight, bias = (
        torch.randn(*size, generator=chance)
        for size in ((out_features, in_features), (out_features,))
    )
    product = Int8Linear.of(*quantised(weight), bias)
    in_fp32 = torch.nn.functional.linear(states, product.weight * quantised(weight)[1][:, None])
    step = (states.amax(1, keepdim=True) - states.amin(1, keepdim=True)) / device.int8_steps()
    tolerance = step / 2 * weight.abs().sum(1) * 1.01 + 1e-4
    assert ((product(states) - bias - in_fp32).abs() <= tolerance).all()
    assert torch.equal(product(states)[-1], bias)


def test_the_steps_of_this_processor_add_up_exactly() -> None:
    """The largest numbers, with which sums of 16 bits overflow where they are used."""
    product = Int8Linear.of(*quantised(torch.ones(32, 256)), torch.zeros(32))
    states = torch.ones(16, 256)
    states[:, 0] = -1
    assert int8_steps() in (126, 254)
    assert torch.allclose(product(states), torch.full((16, 32), 254.0), rtol=1e-5)
    assert torch.allclose(product(-states), torch.full((16, 32), -254.0), rtol=1e-5)
