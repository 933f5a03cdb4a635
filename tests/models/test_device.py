"""Where the models compute."""

from collections.abc import Callable
from pathlib import Path
from timeit import repeat

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from rag.errors import InputError
from rag.models import device
from rag.models.device import (
    Arithmetic,
    Int8Linear,
    arithmetic,
    best_device,
    fast_int8,
    has_vnni,
    native_bf16,
    quantised,
)
from rag.models.embedders import MeanEmbedder
from rag.models.reader import ExtractiveReader
from rag.models.registry import EMBEDDER, embedder_path
from rag.settings import Settings
from rag.types import Hit, Passage

ACCELERATOR = best_device()


def test_auto_is_the_best_device_and_its_own_precision() -> None:
    automatic = arithmetic("auto", "auto")
    assert automatic.device == ACCELERATOR
    assert arithmetic("cpu", "auto") == Arithmetic("cpu", native_bf16(), fast_int8())
    assert arithmetic("cpu", "bf16").dtype is torch.bfloat16
    assert arithmetic("cpu", "fp32").dtype is torch.float32
    assert arithmetic("cpu", "int8") == Arithmetic("cpu", native_bf16(), int8=True)
    assert arithmetic("cpu", "int8").dtype is torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [native_bf16(), False])
def test_auto_chooses_no_slow_arithmetic(bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times a whole layer's product, with a margin, since the machine may be shared; also as if the
    processor had no fast bf16.
    """
    states, weights = torch.ones(2048, 768), torch.ones(3072, 768)
    integers = Int8Linear.of(*quantised(weights), torch.zeros(3072))
    products: dict[Arithmetic, Callable[[], torch.Tensor]] = {
        Arithmetic(): lambda: linear(states, weights),
        Arithmetic(int8=True): lambda: integers(states),
    }
    if bf16:
        half_states, half_weights = states.bfloat16(), weights.bfloat16()
        products[Arithmetic(bf16=True)] = lambda: linear(half_states, half_weights)
    seconds = {kind: min(repeat(p, number=1, repeat=5)) for kind, p in products.items()}
    monkeypatch.setattr(device, "native_bf16", lambda: bf16)
    monkeypatch.setattr(device, "fast_int8", fast_int8.__wrapped__)
    chosen = arithmetic("cpu", "auto")
    floating = [time for kind, time in seconds.items() if not kind.int8]
    assert seconds[chosen] <= 1.3 * min(floating)
    assert not chosen.int8 or has_vnni()


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_an_error_with_a_hint(name: str) -> None:
    if name == ACCELERATOR:
        pytest.skip(f"{name} is here")
    with pytest.raises(InputError, match=f"finds no {name} device") as error:
        arithmetic(name, "auto")
    assert "RAG_DEVICE=cpu" in error.value.hint


def test_an_accelerator_does_not_compute_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(InputError, match=r"int8.*'cuda'") as error:
        arithmetic("cuda", "int8")
    assert "RAG_DEVICE=cpu" in error.value.hint


def test_an_unknown_device_is_refused_before_anything_loads() -> None:
    with pytest.raises(InputError, match="'tpu' in the environment is not auto, cpu, cuda or mps"):
        Settings.load({"RAG_DEVICE": "tpu"})


@pytest.mark.slow
@pytest.mark.skipif(ACCELERATOR == "cpu", reason="torch finds no accelerator")
def test_an_accelerator_equals_the_processor() -> None:
    accelerated = Arithmetic(ACCELERATOR)
    folder = Path(embedder_path(EMBEDDER)[0])
    texts = ["The accord was signed in 2015.", "Dogs bark."]
    on_processor, on_accelerator = (
        MeanEmbedder(EMBEDDER, folder, computed_by) for computed_by in (Arithmetic(), accelerated)
    )
    assert (
        np.abs(on_processor.embed_passages(texts) - on_accelerator.embed_passages(texts)).max()
        < 1e-3
    )
    hit = Hit(Passage("a", 0, 30, texts[0], "", ()), 1.0, 1.0, 1.0)
    spans = [
        ExtractiveReader("fast", arithmetic=computed_by)
        .read("When was the accord signed?", [hit])
        .spans
        for computed_by in (Arithmetic(), accelerated)
    ]
    assert spans[0][0].text == spans[1][0].text == "2015"
    assert abs(spans[0][0].score - spans[1][0].score) < 1e-2
