"""Weights with 8 bits per number: a quarter of the size of fp32 on disk, converted at load.

Each row of a matrix has its own scale (per-channel symmetric quantisation; Wu et al. 2020,
"Integer quantization for deep learning inference", section 3.2.2). The file is safetensors: a
matrix is int8 under its own name, its scales are stored under that name and `SCALE`; vectors
stay in half precision. Only the file is smaller: the model computes in floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

SCALE = ".scale"
_LEVELS = 127
_MIN_SIZE = 4096
"""Smaller matrices, including heads, stay in half precision: they are the most sensitive and save
little.
"""


def load_weights(
    path: Path, kinds: Callable[[str], torch.dtype] = lambda name: torch.float32
) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file by name; 8-bit ones are converted one by one to the type that
    `kinds` gives for the name, others are unchanged.

    Raises OSError, or safetensors' error for a broken file.
    """
    found = load_file(path)
    scales = {name: found.pop(name) for name in [n for n in found if n.endswith(SCALE)]}
    for name, scale in scales.items():
        matrix = name.removesuffix(SCALE)
        found[matrix] = (found[matrix].float() * scale.float()[:, None]).to(kinds(matrix))
    return found


def save_weights(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write matrices in 8 bits per number, and everything else in half precision."""
    stored: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if value.ndim == 2 and value.numel() >= _MIN_SIZE:
            stored[name], stored[name + SCALE] = _quantised(value.float())
        else:
            stored[name] = value.half().contiguous()
    save_file(stored, path, {"format": "pt"})


def _quantised(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 matrix, fp32 scale of each row)."""
    scale = (matrix.abs().amax(1) / _LEVELS).clamp(min=1e-12)
    return (matrix / scale[:, None]).round().to(torch.int8).contiguous(), scale
