"""What the reader sees: question and passage in windows that fit the model.

A window is the passage's title and heading, then a stretch of its text. A passage that fits is one window; a longer one is
covered by windows that overlap, each with title and heading again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_QUESTION_TOKENS = 64
MAX_CONTEXT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Window:
    """`text[prefix:]` is the passage's text from `offset` on."""

    question: str
    text: str
    prefix: int
    offset: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch ready for the model; `n` windows of at most `t` tokens.

    `inputs`: the model's keyword arguments, each (n, t). `starts`, `ends`: (n, t), each token's offsets in its passage's
    text; `scored`: (n, t), whether the token belongs to the passage's text. Token 0 stands for "no answer here".
    """

    inputs: dict[str, Any]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scored: NDArray[np.bool_]


def windows(tokenizer: Any, question: str, context: str, text: str, max_tokens: int = 384, stride: int = 96) -> list[Window]:
    """The windows over a passage's `text`, in order; `stride` tokens are shared by neighbours."""
    question = cut(tokenizer, question, MAX_QUESTION_TOKENS)
    prefix = context[:MAX_CONTEXT_CHARACTERS] + "\n" if context else ""
    spent = len(tokenizer(question, prefix)["input_ids"]) + 2
    room = max(max_tokens - spent, stride + 16)
    return [Window(question, prefix + text[a:b], len(prefix), a) for a, b in _stretches(tokenizer, text, room, stride)]


def cut(tokenizer: Any, text: str, max_tokens: int) -> str:
    """The beginning of `text` that takes at most `max_tokens`."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def _stretches(tokenizer: Any, text: str, room: int, stride: int) -> Iterator[tuple[int, int]]:
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    if len(offsets) <= room:
        yield 0, len(text)
        return
    for first in range(0, len(offsets) - stride, room - stride):
        last = min(first + room, len(offsets)) - 1
        yield offsets[first][0], offsets[last][1]


def encode(tokenizer: Any, batch: Sequence[Window]) -> Encoded:
    """Tokens and masks of a batch, as PyTorch tensors and NumPy arrays."""
    encoding = tokenizer(
        [window.question for window in batch],
        [window.text for window in batch],
        padding=True,
        return_offsets_mapping=True,
        return_tensors="np",
    )
    offsets = encoding.pop("offset_mapping")
    inside = np.array([[s == 1 for s in encoding.sequence_ids(row)] for row in range(len(batch))])
    prefix = np.array([window.prefix for window in batch])[:, None]
    moved = np.array([window.offset - window.prefix for window in batch])[:, None]
    starts, ends = offsets[:, :, 0], offsets[:, :, 1]
    scored = inside & (starts >= prefix) & (ends > starts)
    return Encoded(dict(encoding), starts + moved, ends + moved, scored)
