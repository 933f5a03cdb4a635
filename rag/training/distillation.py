"""Knowledge distillation: a teacher's outputs as targets for a student (Hinton et al. 2015).

The teacher may use another tokenizer: its probabilities are mapped to the student's tokens and to
sentences by their offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.meaning.sentences import Offsets
from rag.models.qa_heads import Encoded, Head, HeadOutput, Window, again, places

Shares = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TeacherOutput:
    """The teacher's logits for one window, and its own tokens' offsets and mask, each (t,), as
    `places` gives them.
    """

    logits: HeadOutput
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scored: NDArray[np.bool_]


def teacher_outputs(head: Head, batch: Sequence[Window]) -> list[TeacherOutput]:
    """The teacher's output for each window of a batch."""
    own = [again(head.tokenizer, window) for window in batch]
    outputs = zip(head.outputs(own), own, strict=True)
    return [TeacherOutput(logits, *places(window)) for logits, window in outputs]


def span_targets(
    outputs: Sequence[TeacherOutput], encoded: Encoded, groups: Sequence[int]
) -> tuple[Shares, Shares]:
    """The teacher's probability of each token to be an answer's first, and its last: two (n, t)
    arrays.

    The windows of a group share one normalisation with its null, as in `rag.training.loss`; the
    null's probability is the rest to 1. A teacher's token may include the space before it: its
    probability as first goes to the first token that ends after its start, as last to the last one
    that starts before its end.
    """
    shares: tuple[Shares, Shares] = (
        np.zeros(encoded.scored.shape, np.float32),
        np.zeros(encoded.scored.shape, np.float32),
    )
    first = [_relative(output.logits.first, output.scored) for output in outputs]
    last = [_relative(output.logits.last, output.scored) for output in outputs]
    for group in set(groups):
        rows = [row for row, number in enumerate(groups) if number == group]
        for row, first_shares, last_shares in zip(
            rows, _shared([first[r] for r in rows]), _shared([last[r] for r in rows]), strict=True
        ):
            starts, ends, scored = outputs[row].starts, outputs[row].ends, outputs[row].scored
            mine = np.flatnonzero(encoded.scored[row])
            if len(mine):
                begin = np.searchsorted(encoded.ends[row, mine], starts[scored], "right")
                close = np.searchsorted(encoded.starts[row, mine], ends[scored], "left") - 1
                np.add.at(shares[0][row], mine[begin.clip(max=len(mine) - 1)], first_shares)
                np.add.at(shares[1][row], mine[close.clip(0)], last_shares)
    return shares


def sentence_target(output: TeacherOutput, place: Offsets) -> float | None:
    """The teacher's probability that the sentence at `place` belongs to the answer; None if it has
    no head for sentences, or no token there.
    """
    inside = output.scored & (output.starts < place[1]) & (output.ends > place[0])
    if output.logits.sentence is None or not inside.any():
        return None
    logit = output.logits.sentence[: len(inside)][inside].mean()
    return float(1 / (1 + np.exp(-logit)))


def verdict_targets(outputs: Sequence[TeacherOutput]) -> Shares | None:
    """The teacher's probabilities of yes, no and neither, shape (n, 3); None if it has no head for
    verdicts.
    """
    logits = [output.logits.verdict for output in outputs if output.logits.verdict is not None]
    if len(logits) < len(outputs):
        return None
    odds = np.exp(np.stack(logits) - np.max(logits, axis=1, keepdims=True))
    shares: Shares = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _relative(scores: NDArray[np.float32], scored: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scores of the scored tokens relative to the null, as in the loss."""
    relative: NDArray[np.float32] = scores[: len(scored)][scored] - scores[0]
    return relative


def _shared(scores: Sequence[NDArray[np.float32]]) -> list[Shares]:
    highest = max(0.0, *(float(logits.max(initial=0.0)) for logits in scores))
    total = np.exp(-highest) + sum(float(np.exp(logits - highest).sum()) for logits in scores)
    return [np.exp(logits - highest) / total for logits in scores]
