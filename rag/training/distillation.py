"""Knowledge distillation: a teacher's token probabilities, mapped to the student's tokens (Hinton
et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.models.qa_heads import Head
from rag.models.windows import Encoded, Window, again, places

Shares = NDArray[np.float32]


def teacher_targets(
    head: Head, encoded: Encoded, batch: Sequence[Window], groups: Sequence[int]
) -> tuple[Shares, Shares]:
    """The teacher's probability of each token to be an answer's first, and its last: two (n, t)
    arrays.

    The windows of a group share one normalisation with its null, as in `rag.training.loss`; the
    null's probability is the rest to 1. The teacher may use another tokenizer, whose tokens may
    include the space before them: a token's probability as first goes to the first token that ends
    after its start, as last to the last one that starts before its end.
    """
    own = [again(head.tokenizer, window) for window in batch]
    found = [places(window) for window in own]
    outputs = head.outputs(own)
    firsts, lasts = [o.first for o in outputs], [o.last for o in outputs]
    shares: tuple[Shares, Shares] = (
        np.zeros(encoded.scored.shape, np.float32),
        np.zeros(encoded.scored.shape, np.float32),
    )
    first, last = (
        [_relative(s, p[2]) for s, p in zip(scores, found, strict=True)]
        for scores in (firsts, lasts)
    )
    for group in set(groups):
        rows = [row for row, number in enumerate(groups) if number == group]
        for row, one, other in zip(
            rows, _shared([first[r] for r in rows]), _shared([last[r] for r in rows]), strict=True
        ):
            starts, ends, scored = found[row]
            mine = np.flatnonzero(encoded.scored[row])
            if len(mine):
                begin = np.searchsorted(encoded.ends[row, mine], starts[scored], "right")
                close = np.searchsorted(encoded.starts[row, mine], ends[scored], "left") - 1
                np.add.at(shares[0][row], mine[begin.clip(max=len(mine) - 1)], one)
                np.add.at(shares[1][row], mine[close.clip(0)], other)
    return shares


def _relative(scores: NDArray[np.float32], scored: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scores of the scored tokens relative to the null, as in the loss."""
    relative: NDArray[np.float32] = scores[: len(scored)][scored] - scores[0]
    return relative


def _shared(scores: Sequence[NDArray[np.float32]]) -> list[Shares]:
    highest = max(0.0, *(float(one.max(initial=0.0)) for one in scores))
    total = np.exp(-highest) + sum(float(np.exp(one - highest).sum()) for one in scores)
    return [np.exp(one - highest) / total for one in scores]
