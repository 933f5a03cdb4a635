"""Yes or no: which passages are surest of either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.answering.logistic import logit
from rag.protocols import Verdict

FLOOR = 1e-4
"""Probabilities below count as this, so that no feature outweighs all others."""
_PASSAGES = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, the passage's verdict behind it, and its log-odds."""

    yes: bool
    verdict: Verdict
    odds: float


def decisions(verdicts: Sequence[Verdict]) -> Iterator[Decision]:
    """For yes and for no, the passages that are surest of it, the surest first."""
    for yes in (True, False):
        by_odds = sorted(verdicts, key=lambda verdict: -odds(verdict, yes))
        for verdict in by_odds[:_PASSAGES]:
            yield Decision(yes, verdict, odds(verdict, yes))


def odds(verdict: Verdict, yes: bool) -> float:
    """The log-odds of yes, or of no."""
    return logit(verdict.yes if yes else verdict.no, FLOOR)
