"""Which spans say the same: one candidate with the support of all, and never two facts in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answering.equivalence import Meaning, meaning, say_the_same
from rag.types import Span

Score = Callable[[Span], float]
"""The log-odds that a span is right, which rank candidates."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Spans that say the same, the best wording first, and their joint score: the log of the sum of
    their odds, one a passage.
    """

    meaning: Meaning
    spans: tuple[Span, ...]
    score: float

    @property
    def key(self) -> str:
        return self.meaning.key

    @property
    def supporting(self) -> tuple[Span, ...]:
        """The best wording, and the others that the reader finds an answer where they stand: the
        same words elsewhere may be told of something else."""
        return self.spans[:1] + tuple(span for span in self.spans[1:] if span.score > 0)

    @property
    def documents(self) -> int:
        return len({span.hit.passage.document_id for span in self.supporting})


@dataclass(slots=True)
class _Group:
    """Spans of one wording that say the same."""

    meaning: Meaning
    members: list[tuple[float, Span]]


def candidates(spans: Sequence[Span], kind: str, score: Score) -> list[Candidate]:
    """Spans gathered by what they say as answers of a `kind`, best first.

    Equal wordings first; then each wording, best first, joins the best candidate all of whose
    wordings say the same as it. A year does not bring two of its days together.
    """
    wordings: dict[tuple[object, ...], _Group] = {}
    for span in spans:
        found = meaning(span, kind)
        wordings.setdefault(found.said, _Group(found, [])).members.append((score(span), span))
    gathered: list[list[_Group]] = []
    for group in sorted(wordings.values(), key=lambda group: -_joint(group.members)):
        home = next(
            (
                groups
                for groups in gathered
                if all(say_the_same(group.meaning, other.meaning) for other in groups)
            ),
            None,
        )
        home.append(group) if home is not None else gathered.append([group])
    made = [_candidate(groups) for groups in gathered]
    return sorted(made, key=lambda candidate: -candidate.score)


def _joint(members: Sequence[tuple[float, Span]]) -> float:
    """The log of the sum of the odds of the best member of each passage."""
    best: dict[tuple[str, int], float] = {}
    for score, span in members:
        place = span.hit.passage.document_id, span.hit.passage.start
        best[place] = max(score, best.get(place, -math.inf))
    top = max(best.values())
    return top + math.log(sum(math.exp(score - top) for score in best.values()))


def _candidate(groups: Sequence[_Group]) -> Candidate:
    """The first group is the best wording and gives the candidate its words."""
    ordered = [sorted(group.members, key=lambda member: -member[0]) for group in groups]
    rest = sorted(
        (member for members in ordered[1:] for member in members), key=lambda member: -member[0]
    )
    spans: dict[tuple[str, int], Span] = {}
    for _, span in [*ordered[0], *rest]:
        spans.setdefault((span.hit.passage.document_id, span.hit.passage.start), span)
    return Candidate(
        groups[0].meaning,
        tuple(spans.values()),
        _joint([member for group in groups for member in group.members]),
    )
