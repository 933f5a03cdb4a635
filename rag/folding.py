"""Which of the passages found are read: the best, each text once, and what either retriever put first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rag.types import Passage

_TELLING = 200
"""Characters from which a text says by itself what it is about; a shorter one may mean another thing under another heading."""


def fold(order: Sequence[int], passages: Mapping[int, Passage]) -> list[list[int]]:
    """Ids of passages in groups of the same text, by the best of each; those that are not in `passages` are left out."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number in order:
        if number in passages:
            groups.setdefault(_same(passages[number]), []).append(number)
    return list(groups.values())


def _same(passage: Passage) -> tuple[str, str]:
    heading = passage.heading.rpartition(" > ")[2] if len(passage.text) < _TELLING else ""
    return passage.text, heading


def choose(groups: Sequence[list[int]], firsts: Collection[int], k: int) -> list[list[int]]:
    """The first `k` groups; one that holds an id of `firsts` takes the place of the last that holds none."""
    chosen = list(groups[:k])
    wanted = set(firsts)
    for group in groups[k:]:
        if wanted.isdisjoint(group):
            continue
        last = next((at for at in reversed(range(len(chosen))) if wanted.isdisjoint(chosen[at])), None)
        if last is None:
            break
        chosen[last : last + 1] = []
        chosen.append(group)
    return chosen
