"""Token scores to sentence scores and verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.meaning.sentences import split_sentences
from rag.models.qa_heads import HeadOutput
from rag.models.windows import Window, places
from rag.protocols import SentenceScore, Verdict
from rag.types import Hit

Read = tuple[Window, HeadOutput]
"""A window of a passage and the model's output for it."""


def sentence_scores(hit: Hit, windows: Sequence[Read]) -> list[SentenceScore]:
    """Scores of every sentence of the passage that lies in a window, in order; [] without a
    sentence head.

    A sentence's logit is the mean of its tokens'; if two windows contain it, the higher one counts.
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
    """The passage's verdict on a yes/no question; None without a verdict head.

    If a passage has several windows, the most decided one counts.
    """
    logits = [output.verdict for _, output in windows if output.verdict is not None]
    if not logits:
        return None
    shares = [np.exp(one - np.logaddexp.reduce(one)) for one in logits]
    yes, no, unsaid = min(shares, key=lambda share: share[2])
    return Verdict(hit, float(yes), float(no), float(unsaid))


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
