"""Chooses the device (CPU, CUDA or MPS) and the arithmetic (fp32, bf16 or int8) in which models
compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import perf_counter

import torch
from torch import Tensor

from rag.errors import InputError


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`device` as named by torch; `bf16` means weights and states in bfloat16, otherwise fp32.
    `int8` means matrix products in 8-bit integers and states in fp32 for models that `Bert`
    computes, and `bf16` for others.
    """

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

    Raises InputError for a device that torch does not find, or that does not compute in int8.
    """
    device = best_device() if device == "auto" else device
    if not _available(device):
        raise InputError(
            f"device = {device!r}: torch {torch.__version__} finds no {device} device here",
            "set RAG_DEVICE=cpu, or install a torch built for the device: https://pytorch.org",
        )
    if precision == "int8" and device != "cpu":
        raise InputError(
            f"precision = 'int8' is arithmetic of the processor, and device is {device!r}",
            "set RAG_PRECISION=auto, or RAG_DEVICE=cpu",
        )
    bf16 = precision == "bf16" or (precision in ("auto", "int8") and _fast_bf16(device))
    return Arithmetic(device, bf16, precision == "int8")


def best_device() -> str:
    return next(name for name in ("cuda", "mps", "cpu") if _available(name))


def _fast_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device == "cpu" and native_bf16()


def _available(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or torch.backends.mps.is_available()


@cache
def native_bf16() -> bool:
    """Whether bf16 is the faster arithmetic on this processor.

    Without instructions for it (AVX512_BF16 or AMX) it is 100 times slower. With them it is timed,
    as the instructions do not decide: measured, it is 4.6 times faster on Zen 5, and half as fast
    on an Intel processor whose virtual machine hides AMX.
    """
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    if not ask or not ask():
        return False
    return _product_seconds(torch.bfloat16) < _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype) -> float:
    """Shortest time of five matrix products the size of a layer; the first one warms up."""
    states, weights = torch.ones(256, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)
    return min(_seconds(states, weights) for _ in range(5))


def _seconds(states: Tensor, weights: Tensor) -> float:
    started = perf_counter()
    torch.nn.functional.linear(states, weights)
    return perf_counter() - started
