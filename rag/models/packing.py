"""Texts of different lengths through a transformer in one row: no token of padding is computed, and
attention needs no mask.

In a padded batch of a question's passages more than a fifth of the tokens is padding, and masked
attention is slower than unmasked (`python -m eval.bench.floor` counts both).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.modeling_outputs import BaseModelOutput

from rag.models.bert import filler

_NAME = "rag_packed"
_KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
"""Models whose only word of place is an absolute position, and whose attention is exchangeable in
transformers.
"""


def without_padding(encoder: Any) -> bool:
    """Make an encoder compute without padding, if it is of a kind that can; whether it is.

    It is called as before, with `input_ids` and `attention_mask`, (n, t), right-padded, and gives
    the same `last_hidden_state`, (n, t, dim), but for 0 where there is padding.
    """
    config = encoder.config
    if config.model_type not in _KINDS or config.is_decoder or config.output_hidden_states:
        return False
    encoder.set_attn_implementation(_NAME)
    first = (
        0 if config.model_type == "bert" else config.pad_token_id + 1
    )  # RoBERTa counts positions from there
    inner = encoder.forward

    def forward(
        input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: Any = None, **_: Any
    ) -> BaseModelOutput:
        kept = attention_mask.bool()
        lengths = kept.sum(1).tolist()
        tokens = sum(lengths)
        lengths.append(filler(tokens))
        positions = torch.cat([torch.arange(first, first + length) for length in lengths])
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        packed = inner(
            input_ids=pad(input_ids[kept], (0, lengths[-1]))[None],
            position_ids=positions[None],
            token_type_ids=pad(types[kept], (0, lengths[-1]))[None],
            lengths=lengths,
        ).last_hidden_state[0, :tokens]
        states = packed.new_zeros(*kept.shape, packed.shape[1])
        states[kept] = packed
        return BaseModelOutput(last_hidden_state=states)

    encoder.forward = forward
    return True


def _attend(
    _: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    __: Any,
    lengths: Sequence[int],
    **given: Any,
) -> tuple[torch.Tensor, None]:
    """Each text attends to itself alone. `query`, `key`, `value`: (1, heads, sum of `lengths`, dim
    of a head).
    """
    texts = zip(
        *(torch.split(states, list(lengths), 2) for states in (query, key, value)), strict=True
    )
    attended = [
        scaled_dot_product_attention(q, k, v, scale=given.get("scaling")) for q, k, v in texts
    ]
    return torch.cat(attended, dim=2).transpose(1, 2), None


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, lambda *_, **__: None)
