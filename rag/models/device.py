"""Chooses the models' device (CPU, CUDA or MPS) and arithmetic (fp32, bf16 or int8)."""

from __future__ import annotations

import platform
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import linear

from rag.errors import InputError
from rag.models.int8 import Int8Linear, has_vnni, quantised

_TOKENS, _SIZE = 256, 768
"""Tokens and width of the products that are timed to choose the arithmetic."""
_CLEARLY = 0.8
"""Share of fp32's time up to which int8 is chosen, so that starts on a busy machine agree."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`device` as named by torch; `bf16` means weights and states in bfloat16, otherwise fp32.
    `int8` means matrix products in 8-bit integers and states in fp32 for models that `Bert`
    computes, and `bf16` for others."""

    device: str = "cpu"
    bf16: bool = False
    int8: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The type of a `Bert`'s states."""
        return torch.bfloat16 if self.bf16 and not self.int8 else torch.float32


ON_CPU = Arithmetic()


def arithmetic(device: str, precision: str) -> Arithmetic:
    """Device and arithmetic for these settings on this machine.

    Raises InputError for a device that torch does not find, or that does not compute in int8."""
    device = best_device() if device == "auto" else device
    if not _available(device):
        message = f"device = {device!r}: torch {torch.__version__} finds no {device} device here"
        hint = "set RAG_DEVICE=cpu, or install a torch built for the device: https://pytorch.org"
        raise InputError(message, hint)
    if precision == "int8" and device != "cpu":
        message = f"precision = 'int8' is arithmetic of the processor, and device is {device!r}"
        raise InputError(message, "set RAG_PRECISION=auto, or RAG_DEVICE=cpu")
    if device == "cuda":
        fast_bf16 = bool(torch.cuda.is_bf16_supported())
    else:
        fast_bf16 = device == "cpu" and native_bf16()
    bf16 = precision == "bf16" or (precision in ("auto", "int8") and fast_bf16)
    int8 = precision == "int8" or (precision == "auto" and device == "cpu" and fast_int8())
    return Arithmetic(device, bf16, int8)


def best_device() -> str:
    return next(name for name in ("cuda", "mps", "cpu") if _available(name))


def _available(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or torch.backends.mps.is_available()


@cache
def native_bf16() -> bool:
    """Whether bf16 is the faster arithmetic on this processor.

    Without instructions for it (AVX512_BF16 or AMX) it is 100 times slower. With them it is timed,
    as the instructions do not decide: measured, it is 4.6 times faster on Zen 5, and half as fast
    on an Intel processor whose virtual machine hides AMX."""
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    return bool(ask()) and _floating_seconds(torch.bfloat16) < _floating_seconds(torch.float32)


@cache
def fast_int8() -> bool:
    """Whether int8 is clearly the fastest arithmetic on this processor, one without fast bf16, and
    gives as many useful answers.

    With VNNI, a layer takes half the time of fp32 or less; without it, a few answers are lost
    (eval/results/int8.md). Other processors than x86 are not timed: without instructions for it, a
    product takes seconds."""
    if native_bf16() or platform.machine().lower() not in ("x86_64", "amd64") or not has_vnni():
        return False
    product = Int8Linear.of(*quantised(torch.ones(_SIZE, _SIZE)), torch.zeros(_SIZE))
    states = torch.ones(_TOKENS, _SIZE)
    seconds = _seconds(lambda: product(states))
    return seconds < _CLEARLY * _floating_seconds(torch.float32)


def _floating_seconds(dtype: torch.dtype) -> float:
    states, weights = torch.ones(_TOKENS, _SIZE, dtype=dtype), torch.ones(_SIZE, _SIZE, dtype=dtype)
    return _seconds(lambda: linear(states, weights))


def _seconds(product: Callable[[], Tensor]) -> float:
    """Shortest time of five matrix products the size of a layer; the first one warms up."""
    return min(timeit.repeat(product, number=1, repeat=5))
