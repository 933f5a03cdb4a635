"""Groups spans with the same meaning into one candidate. Different facts are never grouped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answering.mention import Mention
from rag.meaning.compare import Relation, compare
from rag.meaning.reading import Meaning
from rag.types import Span

Score = Callable[[Mention], float]
"""The log-odds that a span is right, which rank candidates."""
_Scored = tuple[float, Mention]


@dataclass(frozen=True, slots=True)
class SpanGroup:
    """Mentions with the same meaning, the best wording first, and their joint score: the log of the
    sum of their odds, counting each passage once.
    """

    mentions: tuple[Mention, ...]
    score: float

    @property
    def best(self) -> Mention:
        return self.mentions[0]

    @property
    def meaning(self) -> Meaning:
        return self.best.meaning

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(one.span for one in self.mentions)

    @property
    def supporting(self) -> tuple[Span, ...]:
        """The best wording, and others with a positive score: the same words elsewhere may answer
        another question.
        """
        return self.spans[:1] + tuple(span for span in self.spans[1:] if span.score > 0)

    @property
    def documents(self) -> int:
        return len({span.hit.passage.document_id for span in self.supporting})


def grouped(mentions: Sequence[Mention], score: Score) -> list[SpanGroup]:
    """Groups, best first. Mentions with equal meanings are grouped first; then each group, best
    first, joins the best candidate whose meanings all equal its own. Two days never join because a
    year includes both.
    """
    groups: dict[tuple[object, ...], list[_Scored]] = {}
    for one in mentions:
        groups.setdefault(one.meaning.said, []).append((score(one), one))
    gathered: list[list[list[_Scored]]] = []
    for group in sorted(groups.values(), key=lambda group: -_joint(group)):
        said = group[0][1].meaning
        fitting = (
            home
            for home in gathered
            if all(compare(said, g[0][1].meaning) is Relation.SAME for g in home)
        )
        if (home := next(fitting, None)) is not None:
            home.append(group)
        else:
            gathered.append([group])
    return sorted(map(_candidate, gathered), key=lambda candidate: -candidate.score)


def _joint(members: Sequence[_Scored]) -> float:
    """The log of the sum of the odds of the best member of each passage."""
    best: dict[tuple[str, int], float] = {}
    for score, one in members:
        place = one.span.hit.passage.document_id, one.span.hit.passage.start
        best[place] = max(score, best.get(place, -math.inf))
    top = max(best.values())
    return top + math.log(sum(math.exp(score - top) for score in best.values()))


def _candidate(groups: Sequence[list[_Scored]]) -> SpanGroup:
    """The first group has the best wording and gives the candidate its words."""
    first, *others = (sorted(group, key=lambda member: -member[0]) for group in groups)
    rest = sorted((one for group in others for one in group), key=lambda member: -member[0])
    kept: dict[tuple[str, int], Mention] = {}
    for _, one in [*first, *rest]:
        kept.setdefault((one.span.hit.passage.document_id, one.span.hit.passage.start), one)
    return SpanGroup(tuple(kept.values()), _joint([*first, *rest]))
