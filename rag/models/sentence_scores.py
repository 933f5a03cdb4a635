"""From token scores to sentences and verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.english.sentences import split_sentences
from rag.models.qa_heads import HeadOutput
from rag.models.windows import Window, places
from rag.types import Hit, SentenceScore, Verdict

Read = tuple[Window, HeadOutput]
"""A window over a passage, and what the model said of it."""


def sentence_scores(hit: Hit, windows: Sequence[Read]) -> list[SentenceScore]:
    """Every sentence of the passage that a window holds, in order; [] without a sentence head.

    A sentence's logit is the mean of its tokens'; where two windows hold it, the higher one counts.
    """
    best: dict[tuple[int, int], float] = {}
    sentences = split_sentences(hit.passage.text)
    for window, output in windows:
        if output.sentence is None:
            continue
        starts, ends, scored = places(window)
        for start, end in sentences:
            inside = scored & (starts < end) & (ends > start)
            if inside.any():
                logit = float(output.sentence[: window.tokens][inside].mean())
                best[start, end] = max(best.get((start, end), -np.inf), logit)
    return [SentenceScore(hit, *place, _sigmoid(logit)) for place, logit in sorted(best.items())]


def verdict(hit: Hit, windows: Sequence[Read]) -> Verdict | None:
    """What the passage says to a question of yes or no; None without a verdict head.

    Where a passage takes several windows, the one that says the most counts.
    """
    logits = [output.verdict for _, output in windows if output.verdict is not None]
    if not logits:
        return None
    shares = [np.exp(one - np.logaddexp.reduce(one)) for one in logits]
    yes, no, unsaid = min(shares, key=lambda share: share[2])
    return Verdict(hit, float(yes), float(no), float(unsaid))


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
