"""Which arithmetic this processor is good at."""

from __future__ import annotations

from functools import cache

import torch


@cache
def native_bf16() -> bool:
    """Whether bfloat16 products are an instruction here (AVX512_BF16 or AMX); without it they are
    100 times slower.
    """
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(ask and ask())
