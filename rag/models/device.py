"""Chooses the models' device (CPU, CUDA or MPS) and arithmetic (fp32, bf16 or int8); matrices of
8-bit integers, and linear layers that compute with them.
"""

from __future__ import annotations

import platform
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from rag.errors import InputError

_TOKENS = 256
_SIZE = 768
"""Tokens and width of the products that are timed to choose the arithmetic."""
_CLEAR_SHARE = 0.8
"""Share of fp32's time up to which int8 is chosen, so that starts on a busy machine agree."""
_LEVELS = 127
"""Largest magnitude of a number in 8 bits."""


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
    if device == "auto":
        device = best_device()
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

    int8 = precision == "int8"
    if precision == "auto" and device == "cpu":
        int8 = fast_int8()
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
    on an Intel processor whose virtual machine hides AMX.
    """
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    return bool(ask()) and _floating_seconds(torch.bfloat16) < _floating_seconds(torch.float32)


@cache
def fast_int8() -> bool:
    """Whether int8 is clearly the fastest arithmetic on this processor, one without fast bf16, and
    gives as many useful answers.

    With VNNI, a layer takes half the time of fp32 or less; without it, a few answers are lost
    (eval/results/int8.md). Other processors than x86 are not timed: without instructions for it, a
    product takes seconds.
    """
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if native_bf16() or not is_x86 or not has_vnni():
        return False

    weight, scale = quantised(torch.ones(_SIZE, _SIZE))
    product = Int8Linear.of(weight, scale, torch.zeros(_SIZE))
    states = torch.ones(_TOKENS, _SIZE)
    seconds = _seconds(lambda: product(states))
    return seconds < _CLEAR_SHARE * _floating_seconds(torch.float32)


def _floating_seconds(dtype: torch.dtype) -> float:
    states = torch.ones(_TOKENS, _SIZE, dtype=dtype)
    weights = torch.ones(_SIZE, _SIZE, dtype=dtype)
    return _seconds(lambda: linear(states, weights))


def _seconds(product: Callable[[], Tensor]) -> float:
    """Shortest time of five matrix products the size of a layer; the first one warms up."""
    return min(timeit.repeat(product, number=1, repeat=5))


class Int8Linear(NamedTuple):
    """A linear layer computed in integers: `weight`, int8, shape (out, in), and `scale`, `bias` and
    `sums` (of the rows of the weights), shape (out,).

    Every state is rounded in steps of its own, from its lowest number to its highest, since few
    have numbers many times as large as those of others (Yao et al. 2022, "ZeroQuant").
    """

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> Int8Linear:
        """`scale` is that of each row of `weight`, as `quantised` returns both."""
        return cls(weight, scale, bias, weight.sum(1, dtype=torch.int32) * scale)

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        minimum = states.amin(1, keepdim=True)
        maximum = states.amax(1, keepdim=True)
        step = ((maximum - minimum) / int8_steps()).clamp_(min=1e-12)
        middle = minimum + _LEVELS * step

        rounded = ((states - middle) * step.reciprocal()).round_()
        codes = rounded.to(torch.int8)
        product = torch._int_mm(codes, self.weight.T)
        scaled = product.float().mul_(self.scale)
        offset = torch.addcmul(self.bias, middle, self.sums)
        return offset.addcmul_(scaled, step)


def int8_steps() -> int:
    """Number of steps between a state's lowest and highest number in an integer product: 254 or
    126, from -127 up.

    Processors without VNNI add two products in 16 bits, where those of large numbers do not fit.
    They fit if all numbers of a state are in -127 to -1 (oneDNN adds 128 to them).
    """
    return 2 * _LEVELS if has_vnni() else _LEVELS - 1


@cache
def has_vnni() -> bool:
    """Whether sums of products of 8-bit integers are exact on this processor, as with VNNI."""
    matrix = torch.full((16, 64), _LEVELS, dtype=torch.int8)
    return bool((torch._int_mm(matrix, matrix.T) == 64 * _LEVELS**2).all())


def quantised(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 matrix, fp32 scale of each row)."""
    row_maximums = matrix.abs().amax(1)
    scale = (row_maximums / _LEVELS).clamp(min=1e-12)
    codes = (matrix / scale[:, None]).round().to(torch.int8)
    return codes.contiguous(), scale
