"""Matrices of 8-bit integers, and linear layers that compute with them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch

_LEVELS = 127


class Int8Linear(NamedTuple):
    """A linear layer computed in integers: `weight`, int8, shape (out, in), and `scale`, `bias` and
    `sums` (of the rows of the weights), shape (out,).

    Every state is rounded in steps of its own, from its lowest number to its highest, since few
    have numbers many times as large as those of others (Yao et al. 2022, "ZeroQuant")."""

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor
    sums: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> Int8Linear:
        """`scale` is that of each row of `weight`, as `quantised` returns both."""
        return cls(weight, scale, bias, weight.sum(1, dtype=torch.int32) * scale)

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        low = states.amin(1, keepdim=True)
        step = ((states.amax(1, keepdim=True) - low) / int8_steps()).clamp_(min=1e-12)
        middle = low + _LEVELS * step
        codes = ((states - middle) * step.reciprocal()).round_().to(torch.int8)
        product = torch._int_mm(codes, self.weight.T).float().mul_(self.scale)
        return torch.addcmul(self.bias, middle, self.sums).addcmul_(product, step)


def int8_steps() -> int:
    """Number of steps between a state's lowest and highest number in an integer product: 254 or
    126, from -127 up.

    Processors without VNNI add two products in 16 bits, where those of large numbers do not fit.
    They fit if all numbers of a state are in -127 to -1 (oneDNN adds 128 to them)."""
    return 2 * _LEVELS if has_vnni() else _LEVELS - 1


@cache
def has_vnni() -> bool:
    """Whether sums of products of 8-bit integers are exact on this processor, as with VNNI."""
    largest = torch.full((16, 64), _LEVELS, dtype=torch.int8)
    return bool((torch._int_mm(largest, largest.T) == 64 * _LEVELS**2).all())


def quantised(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 matrix, fp32 scale of each row)."""
    scale = (matrix.abs().amax(1) / _LEVELS).clamp(min=1e-12)
    return (matrix / scale[:, None]).round().to(torch.int8).contiguous(), scale
